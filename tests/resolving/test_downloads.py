"""Each file is asked for once, by any number of processes, and each source is built once."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from index_server import _Handler, serve_index
from pip_projects import build, resolved
from source_projects import build_sdist

from cdk_lambda_package.file_locks import lock_name
from cdk_lambda_package.resolving import fetch
from cdk_lambda_package.store import FORMAT, Store

MAIN = "import sys\nfrom cdk_lambda_package.cli import run\nsys.exit(run())"


def files_asked_for(server):
    """How often each file was asked for, by name; a request for a part of it counts too."""
    return Counter(path.rpartition("/")[2] for path in server.requests if path.startswith("/files/"))


@pytest.fixture
def index(project):
    """An index with two wheels, one needing the other, neither with metadata apart (PEP 658)."""
    project.build("tool", requires_dist=["other"])
    project.build("other")
    with serve_index(project.wheels) as server:
        project.write(f"--index-url {server.url()}\ntool", local=False)
        (project.entry / "app.py").write_text("def handler(event, context):\n    return 1\n")
        yield server


def start(project, store, number, **variables):
    """Start a build of the project."""
    argv = ["build", str(project.entry), "--runtime", "python3.13", "-o", str(project.root / f"{number}.zip")]
    environment = {**os.environ, "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(store.root), **variables}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *argv],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_at_once(project, store, count):
    """Build in so many processes, and return the digests of their packages."""
    running = [start(project, store, number) for number in range(count)]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in running]
    assert [status for _, status in ended] == [0] * count, ended
    return {hashlib.sha256((project.root / f"{number}.zip").read_bytes()).hexdigest() for number in range(count)}


ONCE = {"tool-1.0-py3-none-any.whl": 1, "other-1.0-py3-none-any.whl": 1}


THOROUGH = pytest.mark.thorough


@pytest.mark.parametrize(
    ("count", "hashes"),
    [(3, True), *(pytest.param(*case, marks=THOROUGH) for case in [(1, True), (6, True), (1, False), (6, False)])],
)
def test_each_wheel_is_asked_for_once(project, store, index, count, hashes):
    index.hashes = hashes
    assert len(run_at_once(project, store, count)) == 1
    assert files_asked_for(index) == ONCE


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=THOROUGH)])
def test_each_wheel_and_its_metadata_are_asked_for_once(project, store, index, count):
    index.metadata = True
    assert len(run_at_once(project, store, count)) == 1
    assert files_asked_for(index) == {**ONCE, **{f"{name}.metadata": 1 for name in ONCE}}


@pytest.mark.parametrize("count", [2, pytest.param(6, marks=THOROUGH)])
def test_each_sdist_is_downloaded_and_built_once(project, store, index, log, count):
    build_sdist(project.wheels, "made", log=str(log))
    project.write(f"--index-url {index.url()}\ntool\nmade", local=False)
    assert len(run_at_once(project, store, count)) == 1
    assert files_asked_for(index) == {**ONCE, "made-1.0.tar.gz": 1}
    assert len(log.read_text().splitlines()) == 1


def test_a_file_whose_hash_isnt_known_is_asked_for_by_a_later_build(project, store):
    """A URL may lead to another file tomorrow: only builds at the same moment share what it led to."""
    wheel = project.build("tool")
    with serve_index(project.wheels) as server:
        request = project.request(f"tool @ http://{server.host}/files/{wheel.name}")
        resolved(request, store)
        first = files_asked_for(server)[wheel.name]
        build(project, store, f"tool @ http://{server.host}/files/{wheel.name}")
        assert (first, files_asked_for(server)[wheel.name]) == (1, 2)


@pytest.mark.thorough
def test_a_file_that_isnt_what_the_index_says_isnt_kept(project, store, index, monkeypatch):
    monkeypatch.setattr(_Handler, "_fragment", lambda handler, file: f"#sha256={'0' * 64}")
    process = start(project, store, 0)
    assert "sha256" in process.communicate()[1]
    assert process.returncode == 1
    assert list((store.root / FORMAT).rglob("*.whl")) == []


def test_an_altered_wheel_in_the_store_is_downloaded_again(project, store, index):
    resolution = resolved(project.request(), store)
    for path in (store.root / FORMAT / "wheels").rglob("*.whl"):
        path.write_bytes(b"other")
    found = fetch(resolution.wheels, project.request(), store=Store(store.root))
    assert {sha256: hashlib.sha256(path.read_bytes()).hexdigest() for sha256, path in found.items()} == {
        wheel.sha256: wheel.sha256 for wheel in resolution.wheels
    }


@pytest.mark.thorough
def test_a_store_that_cant_be_written_to_is_done_without(project, tmp_path, index):
    (tmp_path / "file").write_bytes(b"x")
    assert len(run_at_once(project, Store(tmp_path / "file"), 2)) == 1


def test_who_waits_for_a_download_says_so_and_goes_on_when_its_process_is_dead(project, store, index):
    wheel = project.wheels / "tool-1.0-py3-none-any.whl"
    lock = store.root / FORMAT / "tmp" / lock_name("downloads", hashlib.sha256(wheel.read_bytes()).hexdigest())
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom cdk_lambda_package.file_locks import held\n"
        "with held(Path(sys.argv[1]), doing='downloads tool-1.0-py3-none-any.whl'):\n    print(1, flush=True)\n    time.sleep(90)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    holder.stdout.readline()
    process = start(project, store, 0)
    time.sleep(4)
    assert process.poll() is None
    assert files_asked_for(index) == {}
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert process.communicate(timeout=60)[0] is None
    assert process.returncode == 0
    assert files_asked_for(index) == ONCE


def test_clearing_the_store_during_builds_fails_none_of_them(project, store, index):
    done = threading.Event()

    def clear():
        while not done.is_set():
            Store(store.root).clear()
            time.sleep(0.01)

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        assert len(run_at_once(project, store, 3)) == 1
    finally:
        done.set()
        thread.join()
