"""Several packages that are made at the same time: each thing once, the same as one after the other, and one end for all."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from entries import HANDLER, package_request, sha256, write_files
from index_server import IndexServer, serve_index
from offline import cli_environment
from test_killed_builds import Requests, descendants, read_command_line
from test_processes import is_gone, wait_for
from wheel_factory import build_wheel

from cdk_lambda_package import DeploymentPackage, PackageError, Store, examiners, package, pipeline
from cdk_lambda_package.packages import Job, make_packages
from cdk_lambda_package.pipeline import examine
from cdk_lambda_package.processes import Worker
from cdk_lambda_package.stages import Inputs, Review

NAMES = "abcdef"
# Each set has two of its neighbours', and three functions.
SETS = [NAMES[:3], NAMES[1:4], NAMES[2:5], NAMES[3:]]
FUNCTIONS = 12


@pytest.fixture
def index(tmp_path, isolated_pip, monkeypatch):
    wheels = tmp_path / "wheels"
    for name in NAMES:
        build_wheel(wheels, f"demo-{name}", files={f"demo_{name}/__init__.py": f"NAME = {name!r}\n"})
    with serve_index(wheels) as server:
        server.metadata = True
        monkeypatch.setenv("PIP_INDEX_URL", server.url())
        yield server


def write_apps(root: Path) -> list[Path]:
    entries = []
    for number in range(FUNCTIONS):
        names = SETS[number % len(SETS)]
        imports = "".join(f"import demo_{name}\n" for name in names)
        requirements = "".join(f"demo-{name}\n" for name in names)
        files = {"app.py": f"{imports}\n{HANDLER}\nNUMBER = {number}\n", "requirements.txt": requirements}
        entries.append(write_files(root / f"function{number}", files))
    return entries


def jobs_for(entries: list[Path], output: Path, **options: object) -> list[Job]:
    output.mkdir(exist_ok=True)
    return [
        Job(package_request(entry=entry, runtime="python3.13", **options), output.joinpath, group="stack")
        for entry in entries
    ]


def files_asked(index: IndexServer) -> Counter[str]:
    return Counter(path for path in index.requests if path.endswith(".whl"))


@pytest.mark.parametrize(
    "options",
    [{}, {"dependencies": "layer"}, {"dependencies": "layer", "slim": True}],
    ids=["package", "layer", "slim"],
)
def test_each_file_is_fetched_once_and_each_set_resolved_once(index, tmp_path, options):
    made = make_packages(jobs_for(write_apps(tmp_path), tmp_path / "out", **options), store=Store(tmp_path / "store"))
    assert [result for result in made if isinstance(result, PackageError)] == []
    assert files_asked(index) == {f"/files/demo_{name}-1.0-py3-none-any.whl": 1 for name in NAMES}
    pages = Counter(match[1] for path in index.requests if (match := re.fullmatch(r"/simple/demo-(.)/", path)))
    assert pages == Counter("".join(SETS))


@pytest.mark.thorough
def test_packages_are_those_of_one_after_the_other(index, tmp_path):
    entries = write_apps(tmp_path)
    made = make_packages(jobs_for(entries, tmp_path / "at-once"), store=Store(tmp_path / "one"))
    (tmp_path / "apart").mkdir()
    single = [
        package(job.request, (tmp_path / "apart").joinpath, store=Store(tmp_path / "other"))
        for job in jobs_for(entries, tmp_path / "unused")
    ]
    assert [one.content_digest for one in made] == [one.content_digest for one in single]
    assert [sha256(one.path) for one in made] == [sha256(one.path) for one in single]
    assert [one.manifest for one in made] == [one.manifest for one in single]


def test_a_package_with_an_error_leaves_the_others_alone(index, tmp_path):
    entries = write_apps(tmp_path)
    for number in (0, 5):
        (entries[number] / "requirements.txt").write_text("no-such-distribution\n")
    made = make_packages(jobs_for(entries, tmp_path / "out"), store=Store(tmp_path / "store"))
    failed = [number for number, one in enumerate(made) if isinstance(one, PackageError)]
    assert failed == [0, 5]
    assert all("no-such-distribution" in str(made[number]) for number in failed)
    assert all(one.path.is_file() for one in made if isinstance(one, DeploymentPackage))


def test_functions_with_equal_content_are_written_to_one_place(index, tmp_path):
    files = {"app.py": f"import demo_a\n\n{HANDLER}", "requirements.txt": "demo-a\n"}
    entries = [write_files(tmp_path / f"function{number}", files) for number in range(8)]
    made = make_packages(jobs_for(entries, tmp_path / "out"), store=Store(tmp_path / "store"))
    assert len({one.path for one in made}) == len(list((tmp_path / "out").iterdir())) == 1


APP = """
import signal, sys
from pathlib import Path
from cdk_lambda_package import PackageRequest, Store
from cdk_lambda_package.packages import Job, make_packages

signal.signal(signal.SIGINT, signal.default_int_handler)
root, output = Path(sys.argv[1]), Path(sys.argv[2])
jobs = [Job(PackageRequest(entry=entry, runtime="python3.13"), output.joinpath) for entry in sorted(root.glob("function*"))]
make_packages(jobs)
"""


# Of packages with much Python, other processes examine several at the same time.

MODULE = "".join(f"def function_{number}(value):\n    return [value, {number}]\n\n\n" for number in range(400))


@pytest.fixture
def large_apps(index, tmp_path) -> list[Path]:
    """Three apps with a requirement of more than a megabyte of Python."""
    parts = {f"large/part{number}.py": MODULE for number in range(60)}
    imports = "".join(f"from large import part{number}\n" for number in range(60))
    build_wheel(index.directory, "large", files={**parts, "large/__init__.py": imports})
    requirements = {"requirements.txt": "large\n"}
    return [
        write_files(
            tmp_path / f"function{number}",
            {"app.py": f"import large\nimport lacking_{number}\n\n{HANDLER}", **requirements},
        )
        for number in range(3)
    ]


def test_other_processes_examine_large_packages(large_apps, tmp_path, monkeypatch):
    jobs = jobs_for(large_apps, tmp_path / "out", acknowledge=["import-not-found"])
    single = package(jobs[0].request, tmp_path.joinpath, store=Store(tmp_path / "other"))
    found = examine(jobs_for(large_apps, tmp_path / "out")[0].request, Store(tmp_path / "other")).findings
    missing = next(finding.message for finding in found if finding.id == "import-not-found")

    examined, check_package = [], pipeline.check_package

    def check(inputs: Inputs, *others: object) -> Review:
        examined.append(inputs.app.entry.name)
        return check_package(inputs, *others)

    monkeypatch.setattr(pipeline, "check_package", check)
    store = Store(tmp_path / "store")
    made = make_packages(jobs, store=store)
    # The first one's requirements are known by then.
    assert len(examined) == 2
    assert sha256(made[0].path) == sha256(single.path)
    failed = make_packages(jobs_for(large_apps, tmp_path / "out"), store=store)
    assert missing in str(failed[0])
    assert [re.search(r"lacking_\d", str(one))[0] for one in failed] == ["lacking_0", "lacking_1", "lacking_2"]


def test_after_an_edit_no_other_process_is_started(large_apps, tmp_path, monkeypatch):
    store, jobs = Store(tmp_path / "store"), jobs_for(large_apps, tmp_path / "out", acknowledge=["import-not-found"])
    before = make_packages(jobs, store=store)
    for entry in large_apps:
        (entry / "app.py").write_text(f"{(entry / 'app.py').read_text()}\nEDITED = True\n")
    monkeypatch.setattr(examiners, "Worker", None)
    after = make_packages(jobs, store=store)
    assert {one.content_digest for one in before}.isdisjoint(one.content_digest for one in after)


def test_packages_are_examined_here_if_other_processes_fail(large_apps, tmp_path, monkeypatch):
    started = []

    def broken(argv: list[str], environment: dict[str, str]) -> Worker:
        started.append(argv)
        return Worker([sys.executable, "-c", "raise SystemExit(1)"], environment)

    monkeypatch.setattr(examiners, "Worker", broken)
    made = make_packages(
        jobs_for(large_apps, tmp_path / "out", acknowledge=["import-not-found"]), store=Store(tmp_path / "store")
    )
    assert started
    assert all(one.path.is_file() for one in made)


@pytest.mark.needs("process groups")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_processes_that_examine_end_with_this_one(large_apps, tmp_path, name):
    output = tmp_path / "out"
    output.mkdir()
    examining: list[int] = []

    def is_examining() -> bool:
        examining[:] = [pid for pid in descendants(process.pid) if "examiners" in read_command_line(pid)]
        return bool(examining)

    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tmp_path), str(output)],
        env=cli_environment(tmp_path / "store", {"PIP_INDEX_URL": os.environ["PIP_INDEX_URL"]}),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            wait_for(lambda: is_examining() or process.poll() is not None, seconds=60)
            assert process.poll() is None
            process.send_signal(getattr(signal, name))
            process.wait(20)
        finally:
            process.kill()
    assert process.returncode == -getattr(signal, name)
    assert all(map(is_gone, examining))


@pytest.mark.needs("process groups")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_ctrl_c_ends_all_of_them_at_once(index, tmp_path, name):
    write_apps(tmp_path)
    index.requests = Requests(r"/simple/")
    output = tmp_path / "out"
    output.mkdir()
    environment = cli_environment(tmp_path / "store", {"PIP_INDEX_URL": index.url(), "TMPDIR": str(tmp_path)})
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tmp_path), str(output)],
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            # The four sets are resolved at the same time: each pip asks for its first page.
            wait_for(lambda: len(index.requests) >= 2 or process.poll() is not None, seconds=60)
            assert process.poll() is None, process.stderr.read().decode()
            family = descendants(process.pid)
            process.send_signal(getattr(signal, name))
            said = process.communicate(timeout=20)[1].decode()
        finally:
            index.requests.released.set()
            process.kill()
    assert process.returncode == -getattr(signal, name)
    assert len(family) >= 4
    wait_for(lambda: all(map(is_gone, family)), seconds=20)
    assert list(output.iterdir()) == []
    if name == "SIGINT":
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert [path for path in (tmp_path / "store" / "v1").glob("tmp/*") if path.is_dir()] == []
