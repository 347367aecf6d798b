"""mypy and pyright accept the right calls of the public names and reject the wrong ones, at both ends of aws-cdk-lib."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from this_host import require_file

ROOT = Path(__file__).parents[2]
CALLS = Path(__file__).with_name("typed_calls.py")
# The oldest aws-cdk-lib that pyproject.toml allows, which `make setup` installs.
FLOOR = ROOT / ".venv" / "cdk-floor"
PYRIGHT = ROOT / ".venv" / "node" / "node_modules" / ".bin" / "pyright"

pytestmark = pytest.mark.thorough


def marked_lines() -> set[int]:
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


@pytest.fixture(params=["oldest", "installed"])
def library(request) -> Path | None:
    """The directory of another aws-cdk-lib than the installed one, or None."""
    if request.param == "installed":
        return None
    return require_file(FLOOR).resolve()


def test_mypy_rejects_the_wrong_calls_only(library, tmp_path):
    # With the cache of `make lint` where the library is that one's too: reading aws-cdk-lib takes most of the time.
    command = [sys.executable, "-m", "mypy", "--no-pretty", str(CALLS)]
    done = subprocess.run(
        [*command, *(options_for(library, tmp_path) if library else ())],
        env=os.environ | ({"MYPYPATH": os.pathsep.join(map(str, (ROOT, tmp_path / "library")))} if library else {}),
        cwd=tmp_path if library else ROOT,
        capture_output=True,
        text=True,
    )
    errors = re.findall(r"typed_calls\.py:(\d+): error: (.*)", done.stdout)
    assert {int(line) for line, _ in errors} == marked_lines(), done.stdout + done.stderr


def options_for(library: Path, folder: Path) -> list[str]:
    """Return the options with which mypy reads another aws-cdk-lib, which becomes `library` in the folder."""
    settings = folder / "mypy.ini"
    settings.write_text(
        "[mypy]\nstrict = True\n[mypy-aws_cdk.*,constructs.*,cdk_lambda_package.*]\nfollow_imports = silent\n"
    )
    (folder / "library").mkdir()
    for one in library.iterdir():
        # mypy has typing_extensions itself, and takes no other.
        if one.name != "typing_extensions.py":
            (folder / "library" / one.name).symlink_to(one)
    cache = ROOT / ".mypy_cache" / "calls-oldest"
    # mypy would find the modules that the oldest release doesn't have in the installed one.
    return [f"--config-file={settings}", f"--cache-dir={cache}", "--no-site-packages"]


def test_pyright_rejects_the_wrong_calls_only(library, tmp_path):
    require_file(PYRIGHT)
    settings = {
        "include": ["."],
        "extraPaths": [str(path) for path in (library, ROOT) if path],
        "pythonVersion": "3.11",
    }
    # pyright checks the files of its project only.
    shutil.copy(CALLS, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [PYRIGHT, "--project", tmp_path, "--pythonpath", sys.executable, "--outputjson"],
        capture_output=True,
        text=True,
    )
    errors = [found for found in json.loads(done.stdout)["generalDiagnostics"] if found["severity"] == "error"]
    assert {found["range"]["start"]["line"] + 1 for found in errors} == marked_lines(), errors
