"""Builds that are ended by a signal while they have a token: no file, no command line and no process keeps it.

An index that doesn't answer holds a build at a moment: while pip resolves, or while the pip that it started installs what a
source needs to be built.
"""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from entries import write_files
from index_server import serve_index
from offline import cli_environment
from pip_projects import isolate_pip
from source_projects import build_sdist
from test_canary import HOOK, PYPROJECT, TOKEN, WAYS, App, Way, find_token
from test_processes import is_gone, wait_for
from wheel_factory import build_wheel

pytestmark = pytest.mark.needs("process groups")

# The status of a build that a signal ended.
STATUSES = {"SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130, "SIGKILL": -9}
MOMENTS = {"resolving": r"web", "building": r"maker"}
PROXY = "--index-url http://127.0.0.2:9/simple"
ALL_WAYS = {
    **WAYS,
    "PIP_PROXY": Way(PROXY, environment={"PIP_PROXY": "http://user:{token}@{host}"}),
    "a proxy's variable": Way(PROXY, environment={"http_proxy": "http://user:{token}@{host}"}),
    "--proxy": Way(PROXY, options=("--pip-args=--proxy=http://user:{token}@{host}",)),
}
QUICK = [
    ("--index-url", "building", "SIGKILL"),
    ("pip_args", "resolving", "SIGTERM"),
    ("--find-links with a query", "building", "SIGHUP"),
    ("PIP_PROXY", "resolving", "SIGINT"),
]
FULL = [
    *((way, "resolving", "SIGKILL") for way in ALL_WAYS),
    *((way, "building", "SIGKILL") for way in WAYS if not WAYS[way].direct),
    *(("--extra-index-url", moment, name) for moment in MOMENTS for name in STATUSES),
]


class Requests(list):
    """The requests that an index gets; one that matches is held until the end of the test."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self.pattern, self.reached, self.released = pattern, threading.Event(), threading.Event()

    def append(self, path: str) -> None:
        super().append(path)
        # Without the token, pip is asked for it first.
        if re.search(self.pattern, path):
            self.reached.set()
            self.released.wait(60)


# Shells have SIGINT ignored by what they start in the background.
MAIN = """
import signal, sys
from cdk_lambda_package.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """Return what prepares an app whose requirements come by a way from an index that holds a request."""
    isolate_pip(monkeypatch)
    held = []
    private, public = write_files(tmp_path / "private", {}), write_files(tmp_path / "public", {})
    build_wheel(private, "web")
    build_wheel(private, "maker")
    build_sdist(private, "deep", files={"hook.py": HOOK, "pyproject.toml": PYPROJECT})
    with serve_index(private) as one, serve_index(public) as two:

        def start(way: Way, pattern: str) -> tuple[App, Requests]:
            app = App(tmp_path, one, two, way)
            app.rotate(TOKEN)
            one.requests = Requests(pattern)
            held.append(one.requests)
            return app, one.requests

        yield start
        for requests in held:
            requests.released.set()


@pytest.mark.parametrize(
    ("way", "moment", "name"),
    [
        *QUICK,
        *(pytest.param(*case, marks=pytest.mark.thorough) for case in FULL),
    ],
)
def test_nothing_of_a_token_is_left_by_a_build_that_is_ended(hold, way, moment, name):
    app, requests = hold(ALL_WAYS[way], MOMENTS[moment])
    kept = write_files(app.root / "kept", {"tmp/.keep": ""})
    environment = {key: value.format(**app.values) for key, value in app.way.environment.items()}
    options = [option.format(**app.values) for option in app.way.options]
    # A token in the arguments of the build itself is where the user puts it; the constructs have no command line.
    argv = ["build", str(app.entry), "--runtime=python3.13", f"--output={kept / 'x.zip'}", *options]
    environment |= {"TMPDIR": str(kept / "tmp")}
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, *argv],
        env=cli_environment(kept / "store", environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as build:
        wait_for(lambda: requests.reached.is_set() or build.poll() is not None, seconds=60)
        assert build.poll() is None, (build.stdout.read(), requests)
        family = descendants(build.pid)
        lines = [read_command_line(pid) for pid in family]
        build.send_signal(getattr(signal, name))
        said = build.communicate(timeout=20)[0].decode()
    assert build.returncode == STATUSES[name]
    assert len(family) >= 2
    assert "Traceback" not in said
    assert all(map(is_gone, family))
    assert not [line for line in lines if "c4nary" in line]
    assert find_token(kept, said) == []
    # What isn't killed at once cleans up; the rest is in the store, where it is swept.
    left = [path for path in (kept / "store" / "v1").glob("tmp/*") if path.is_dir() and any(path.iterdir())]
    assert not left or name == "SIGKILL"
    assert [path.name for path in (kept / "tmp").iterdir()] == [".keep"]


def descendants(ancestor: int) -> list[int]:
    """Return the processes that descend from one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def read_command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
