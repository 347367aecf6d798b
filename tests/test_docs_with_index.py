"""The pages whose commands need real distributions: psycopg2, and scanners."""

import importlib.metadata
import os
import subprocess
import sys

import pytest
from test_docs import DOCS
from test_docs_commands import Workshop, commands_of

pytestmark = pytest.mark.network

NATIVE, SCAN = (DOCS / "how-to" / name for name in ("native-code.md", "scan-packages.md"))


def environment_of(workshop: Workshop) -> dict[str, str]:
    """Return variables with the index that pip asks by default."""
    kept = {name: value for name, value in workshop.environment.items() if not name.startswith("PIP_")}
    return {**kept, **{name: value for name, value in os.environ.items() if name.startswith("PIP_")}}


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    workshop = Workshop(tmp_path)
    workshop.write_app()
    return workshop


@pytest.mark.thorough
def test_the_page_about_native_code_shows_what_is_said_of_psycopg2(workshop):
    commands = [one for one in commands_of(NATIVE) if one.reason is None]
    workshop.run_all(commands, environment_of(workshop), NATIVE.name)


@pytest.mark.thorough
def test_the_commands_of_the_page_find_what_is_in_the_package(workshop, tmp_path):
    scanner = tmp_path / "scanner"
    subprocess.run([sys.executable, "-m", "venv", scanner], check=True)
    subprocess.run([scanner / "bin" / "python", "-m", "pip", "install", "--quiet", "pip-audit"], check=True)
    environment = environment_of(workshop)
    environment["PATH"] = os.pathsep.join([environment["PATH"], str(scanner / "bin")])
    commands = [one for one in commands_of(SCAN) if one.reason is None]
    workshop.run_all(commands, environment, SCAN.name)
    found = {one.name: one.version for one in importlib.metadata.distributions(path=[str(workshop.shop / "unpacked")])}
    assert found["requests"] == "2.32.5"
