"""The pages about locks of other tools and shared code, with the real uv, poetry and pipenv.

poetry and pipenv don't read pip's configuration, so that they get an index of the test in the place of PyPI.
"""

import os
import sys
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from index_server import serve_index
from lock_tools import install_tool
from test_docs import DOCS
from test_docs_commands import Workshop, commands_of, files_of
from wheel_factory import build_wheel

pytestmark = [pytest.mark.thorough, pytest.mark.network, pytest.mark.xdist_group("lock-tools")]

LOCKS, SHARED = (DOCS / "how-to" / name for name in ("use-your-lock.md", "monorepo.md"))


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    workshop = Workshop(tmp_path)
    app = {"app.py": f"import requests\n\n\n{HANDLER}"}
    for name in ("orders", "bills", "refunds"):
        write_files(workshop.shop / name, app)
    (workshop.shop / ".git").mkdir()
    return workshop


def environment_of(workshop: Workshop, *tools: str) -> dict[str, str]:
    """Return variables with the tools on PATH, and with the index that pip asks by default."""
    folder = Path(os.environ.get("LOCK_TOOLS") or Path(sys.prefix, "lock-tools"))
    kept = {name: value for name, value in workshop.environment.items() if not name.startswith("PIP_")}
    places = [str(install_tool(name, folder)) for name in tools]
    return {**kept, "PATH": os.pathsep.join([workshop.environment["PATH"], *places]), "UV_PYTHON_DOWNLOADS": "never"}


@pytest.mark.parametrize(("page", "tools"), [(LOCKS, ("uv", "poetry", "pipenv")), (SHARED, ("uv",))])
def test_the_commands_of_the_page_package_what_the_lock_has(workshop, page, tools, tmp_path):
    for name, version in (("requests", "2.32.5"), ("tabulate", "0.9.0")):
        build_wheel(tmp_path / "public", name, version)
    files, commands = files_of(page), [one for one in commands_of(page) if one.reason is None]
    with serve_index(tmp_path / "public") as index:
        source = f'\n[[tool.poetry.source]]\nname = "public"\nurl = "{index.url()}"\n'
        for path, text in files.items():
            moved = text.replace("https://packages.example.com/simple", index.url())
            write_files(workshop.shop, {path: moved + source if "[tool.poetry]" in text else moved})
        workshop.run_all(commands, environment_of(workshop, *tools), page.name)
