"""What is said while a first build resolves, downloads and builds: by the command line, and by the constructs."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from index_server import IndexServer, serve_index
from local_aws import cdk
from record_terminal import run_in_terminal
from source_projects import build_sdist
from this_host import CDK, SEARCH_PATH, require
from wheel_factory import build_wheel

from cdk_lambda_package.store import CACHE_DIR_VARIABLE

STACK = """
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
stack = Stack(app, "Stack")
PythonFunction(stack, "Orders", entry="orders", runtime=lambda_.Runtime.PYTHON_3_13)
PythonFunction(stack, "Mail", entry="mail", runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""


@pytest.fixture
def index(tmp_path):
    """An index with two wheels, whose files come slowly."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    content = {"large/data.bin": random.Random(1).randbytes(3_000_000)}
    build_wheel(wheels, "large", "1.0", files=content, requires_dist=["small"])
    build_wheel(wheels, "small", "2.0")
    with serve_index(wheels) as server:
        server.slow, server.metadata = 1.5, True
        yield server


@pytest.fixture
def app(tmp_path) -> Path:
    """A CDK app with two functions, of which one has requirements."""
    files = {"orders/app.py": HANDLER, "orders/requirements.txt": "large\n", "mail/app.py": f"{HANDLER}# mail\n"}
    settings = json.dumps({"app": f"{sys.executable} stack.py"})
    return write_files(tmp_path / "app", {**files, "stack.py": STACK, "cdk.json": settings, ".git/HEAD": ""})


def variables(index: IndexServer, tmp_path: Path) -> dict[str, str]:
    left_out = {"CI", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url(), "PIP_NO_CACHE_DIR": "1"}
    return {**kept, **settings, "PATH": SEARCH_PATH, CACHE_DIR_VARIABLE: str(tmp_path / "own-cache")}


def build(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cdk_lambda_package", "build", "orders", "--runtime", "python3.13", *arguments]


@pytest.mark.needs("process groups")
def test_a_terminal_shows_each_step_of_a_first_build_with_its_amounts(index, app, tmp_path):
    environment = variables(index, tmp_path)
    seen = run_in_terminal(build("-o", "orders.zip"), environment=environment, cwd=app, separate=True, columns=140)
    assert seen.status == 0
    orders = r"orders \(python3\.13, x86_64\): "
    lines = {line.strip() for frame in seen.frames for line in frame.lines}

    def shown(pattern: str) -> bool:
        return any(re.search(pattern, line) for line in lines)

    assert shown(rf"{orders}resolving requirements, \d packages? so far: (large|small) \(\d+ s\)")
    assert shown(rf"━ {orders}downloading [01] of 2 wheels: large 1\.0, [12]\.\d of 3\.0 MB \(\d+ s\)")
    assert not re.search(r"\(\d+ s\)", seen.last)
    assert seen.stdout.decode().startswith("orders.zip: ")


@pytest.mark.deploy
@pytest.mark.thorough
def test_cdk_synth_says_in_plain_lines_what_takes_longer_than_two_seconds(index, app, tmp_path):
    require(CDK)
    index.slow = 2.5
    done = cdk("synth", "--quiet", environment=variables(index, tmp_path), output=app / "cdk.out", cwd=app)
    lines = [line for line in done.stderr.splitlines() if line.startswith("cdk-lambda-package: ")]
    assert re.match(r"cdk-lambda-package: package 1 of 2: orders \(python3\.13, x86_64\): ", lines[0])
    assert any(re.search(r": downloading [01] of 2 wheels.* \(\d+ s\)$", line) for line in lines)
    assert "\x1b" not in done.stderr
    assert done.stdout == ""


def test_a_failure_below_cdk_has_no_escape_codes(index, app, tmp_path):
    index.slow = 0
    build_sdist(index.directory, "broken", fail="\x1b[31mit is broken\x1b[0m")
    (app / "orders" / "requirements.txt").write_text("broken\n")
    # As `cdk` sets it. For rich, with which pip writes, any value turns colours on.
    environment = {**variables(index, tmp_path), "FORCE_COLOR": "0"}
    done = subprocess.run(build("-o", "orders.zip"), cwd=app, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "it is broken" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.needs("process groups")
def test_a_build_of_a_source_says_what_is_built(index, app, tmp_path):
    index.slow = 0
    build_sdist(index.directory, "slow")
    (app / "orders" / "requirements.txt").write_text("slow\n")
    environment = variables(index, tmp_path)
    seen = run_in_terminal(build("-o", "orders.zip"), environment=environment, cwd=app, columns=140)
    assert seen.shown("orders (python3.13, x86_64): building slow 1.0 from source (")


def test_without_a_terminal_the_command_line_says_nothing_while_it_works(index, app, tmp_path):
    done = subprocess.run(
        build("-o", "orders.zip"), cwd=app, env=variables(index, tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "cdk-lambda-package: " not in done.stderr
    assert "resolving" not in done.stderr
