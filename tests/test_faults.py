"""Killed processes, full disks, altered files, many at once: the right package, or an error and none."""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from entries import names_in, package_request, sha256, write_files
from offline import MAIN, OFFLINE_NAMES, RUNTIME, build, cli_environment, run_cli
from this_host import require

from cdk_lambda_package.splicing import read_segment
from cdk_lambda_package.store import FORMAT, Store


@pytest.fixture
def cache(offline_cache, offline_digest, tmp_path):
    """A warm cache of the test's own."""
    return Path(shutil.copytree(offline_cache, tmp_path / "cache"))


def files_of(cache: Path, kind: str) -> list[Path]:
    return sorted(path for path in (cache / FORMAT / kind).rglob("*") if path.is_file())


def forget(cache: Path, *kinds: str) -> None:
    for kind in kinds:
        shutil.rmtree(cache / FORMAT / kind)


def assert_keeps_its_promises(cache: Path) -> None:
    """See that each file in the store, wherever a process was killed, is what its place says."""
    store = Store(cache)
    for kind in {path.name for path in (cache / FORMAT).iterdir()} - {"tmp"}:
        for path in files_of(cache, kind):
            assert not path.name.endswith(".tmp"), path
            if kind == "wheels":
                assert sha256(path) == path.parent.name
            elif kind == "segments":
                read_segment(path, verify=True)
            else:
                assert store.read(kind, path.name) is not None, path


# Killed


def kill_during(argv: list[str], environment: dict[str, str], after: float) -> bool:
    """Start a process, kill it after that many seconds; return whether it was still running."""
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


@pytest.mark.parametrize(
    ("forgotten", "longest", "times"),
    [
        (("segments", "packages", "package-contents", "outputs", "verified"), 0.7, 12),
        pytest.param(("segments", "packages", "wheels", "resolutions", "outputs"), 3.0, 5, marks=pytest.mark.thorough),
    ],
    ids=["splicing", "resolving and fetching too"],
)
def test_after_a_process_was_killed_the_next_run_succeeds(
    offline_entry, offline_digest, cache, tmp_path, forgotten, longest, times
):
    chance = random.Random(sum(map(len, forgotten)))
    output = tmp_path / "out" / "package.zip"
    argv = [sys.executable, "-c", MAIN, "build", str(offline_entry), "--runtime", RUNTIME, "-o", str(output)]
    killed = 0
    for _ in range(times):
        forget(cache, *(kind for kind in forgotten if (cache / FORMAT / kind).exists()))
        output.unlink(missing_ok=True)
        killed += kill_during(argv, cli_environment(cache), chance.uniform(0.05, longest))
        assert_keeps_its_promises(cache)
        assert not output.exists() or sha256(output) == offline_digest, "a package is whole or not there"
    assert killed, "nothing was killed, so this shows nothing"
    assert sha256(build(offline_entry, output, cache)) == offline_digest
    assert_keeps_its_promises(cache)


def test_what_killed_processes_left_is_swept_in_time(offline_entry, offline_digest, cache, tmp_path):
    import os

    workspace = cache / FORMAT / "tmp"
    write_files(workspace, {"old": b"half", "tmpdir/x.whl": b"half", "young": b"half"})
    for name in ("old", "tmpdir"):
        os.utime(workspace / name, (10**9, 10**9))
    forget(cache, "segments", "packages", "outputs")
    build(offline_entry, tmp_path / "x.zip", cache)
    assert [path.name for path in workspace.iterdir()] == ["young"]


# Altered


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("alter", [truncate, flip, empty])
@pytest.mark.parametrize("kind", ["segments", "packages", "package-contents", "resolutions", "outputs", "verified"])
def test_altered_files_in_the_store_are_made_again(offline_entry, offline_digest, cache, tmp_path, kind, alter):
    altered = files_of(cache, kind)
    assert altered
    for path in altered:
        alter(path)
    manifest = tmp_path / "manifest.json"
    done = run_cli(
        "build", offline_entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip", "--manifest", manifest, cache=cache
    )
    assert done.returncode == 0, done.stderr
    assert sha256(tmp_path / "x.zip") == offline_digest
    assert json.loads(manifest.read_text())["zip"]["sha256"] == offline_digest
    if kind != "outputs":  # there are records of other outputs, too, which are missed when they are asked for
        assert_keeps_its_promises(cache)


@pytest.mark.parametrize("alter", [truncate, flip, empty])
def test_altered_wheels_in_the_store_are_fetched_again(offline_entry, offline_digest, cache, tmp_path, alter):
    for path in files_of(cache, "wheels"):
        alter(path)
    forget(cache, "segments", "packages")
    assert sha256(build(offline_entry, tmp_path / "x.zip", cache)) == offline_digest
    assert_keeps_its_promises(cache)


def test_an_altered_segment_is_found_even_if_only_app_py_changed(offline_entry, offline_digest, cache, tmp_path):
    checkout = tmp_path / "svc"
    shutil.copytree(offline_entry, checkout)
    write_files(checkout, {"app.py": "def handler(event, context):\n    return 2\n"})
    expected = sha256(build(checkout, tmp_path / "expected.zip", tmp_path / "other-cache"))
    for path in files_of(cache, "segments"):
        flip(path)
    assert sha256(build(checkout, tmp_path / "x.zip", cache)) == expected


# Read-only and full


def namespace(*commands: str) -> tuple[str, ...]:
    """Return what runs a command where these mounts are in place; skip where that can't be."""
    require("mount namespaces")
    return ("unshare", "-rm", "sh", "-c", " && ".join([*commands, 'exec "$@"']), "sh")


def read_only(path: Path) -> str:
    return f"mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}'"


def small(path: Path, kibibytes: int) -> str:
    return f"mount -t tmpfs -o size={kibibytes}k tmpfs '{path}'"


def test_a_cold_cache_that_cant_be_written_is_done_without(offline_entry, offline_digest, tmp_path):
    place = write_files(tmp_path, {"file": b"x"}) / "file"
    assert sha256(build(offline_entry, tmp_path / "x.zip", place)) == offline_digest
    assert place.read_bytes() == b"x"


def test_a_warm_cache_that_cant_be_written_is_read(offline_entry, offline_digest, cache, tmp_path):
    before = namespace(read_only(cache))
    assert sha256(build(offline_entry, tmp_path / "x.zip", cache, before=before, guarded=True)) == offline_digest


def test_an_entry_that_cant_be_written_is_packaged(offline_entry, offline_digest, tmp_path):
    before = namespace(read_only(offline_entry))
    assert sha256(build(offline_entry, tmp_path / "x.zip", tmp_path / "cache", before=before)) == offline_digest


def test_an_output_that_cant_be_written_is_an_error_that_names_it(offline_entry, cache, tmp_path):
    folder = write_files(tmp_path / "out", {})
    output = folder / "x.zip"
    done = run_cli(
        "build", offline_entry, "--runtime", RUNTIME, "-o", output, cache=cache, before=namespace(read_only(folder))
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: '{output}' can't be written: Read-only file system")
    assert not output.exists()


@pytest.mark.parametrize(
    "kibibytes", [4, *(pytest.param(size, marks=pytest.mark.thorough) for size in (40, 80, 200)), 120]
)
def test_a_full_disk_under_the_cache_is_an_error_or_done_without(offline_entry, offline_digest, tmp_path, kibibytes):
    cache = write_files(tmp_path / "cache", {})
    output = tmp_path / "x.zip"
    before = namespace(small(cache, kibibytes))
    done = run_cli("build", offline_entry, "--runtime", RUNTIME, "-o", output, cache=cache, before=before)
    assert "Traceback" not in done.stderr
    if done.returncode == 0:
        assert sha256(output) == offline_digest
    else:
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "No space left on device" in done.stderr
        assert not output.exists()


@pytest.mark.parametrize("kibibytes", [4, 60, 84])
def test_a_full_disk_under_the_output_is_an_error_and_no_output(
    offline_entry, offline_digest, cache, tmp_path, kibibytes
):
    folder = write_files(tmp_path / "out", {})
    before = namespace(small(folder, kibibytes))
    listed = (*before, "sh", "-c", f"\"$@\"; status=$?; ls -A '{folder}'; exit $status", "sh")
    done = run_cli("build", offline_entry, "--runtime", RUNTIME, "-o", folder / "x.zip", cache=cache, before=listed)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: '{folder / 'x.zip'}' can't be written: No space left on device; free some")
    assert done.stdout == "", "not even a temporary file stays"


def test_a_full_disk_under_an_unpacked_output_is_an_error_and_no_output(offline_entry, offline_digest, cache, tmp_path):
    folder = write_files(tmp_path / "out", {})
    before = namespace(small(folder, 60))
    listed = (*before, "sh", "-c", f"\"$@\"; status=$?; ls -A '{folder}'; exit $status", "sh")
    done = run_cli("build", offline_entry, "--runtime", RUNTIME, "-o", f"{folder}/x/", cache=cache, before=listed)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stdout == ""


# Many at once


def test_many_processes_on_one_cold_cache_all_succeed_with_the_same_bytes(offline_entry, offline_digest, tmp_path):
    argv = [sys.executable, "-c", MAIN, "build", str(offline_entry), "--runtime", RUNTIME, "-o"]
    running = [
        subprocess.Popen(
            [*argv, str(tmp_path / f"{index % 6}.zip")],  # some want the same output, too
            env=cli_environment(tmp_path / "cache"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(8)
    ]
    ended = [(process.communicate()[1], process.returncode) for process in running]
    assert [status for _, status in ended] == [0] * 8, ended
    assert {sha256(tmp_path / f"{index}.zip") for index in range(6)} == {offline_digest}
    assert_keeps_its_promises(tmp_path / "cache")
    assert files_of(tmp_path / "cache", "tmp") == []


def test_threads_of_one_process_succeed_too(offline_entry, offline_digest, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from cdk_lambda_package import package

    store = Store(tmp_path / "cache")

    def make(index: int) -> str:
        output = tmp_path / f"{index}.zip"
        package(package_request(entry=offline_entry, runtime=RUNTIME), lambda _: output, store=store)
        return sha256(output)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(make, range(4))) == {offline_digest}


def test_an_entry_edited_while_it_is_packaged_is_an_error_or_one_of_the_two(offline_entry, cache, tmp_path):
    checkout = tmp_path / "svc"
    shutil.copytree(offline_entry, checkout)
    app = checkout / "app.py"
    texts = [f"def handler(event, context):\n    return {index!r}\n" + "#" * index * 9999 for index in range(3)]
    argv = [sys.executable, "-c", MAIN, "build", str(checkout), "--runtime", RUNTIME, "-o"]
    for index in range(3):
        app.write_text(texts[0])
        output = tmp_path / f"{index}.zip"
        process = subprocess.Popen([*argv, str(output)], env=cli_environment(cache), stderr=subprocess.PIPE, text=True)
        while process.poll() is None:
            app.write_text(texts[int(time.monotonic() * 1000) % 3])
        told = process.communicate()[1]
        if process.returncode == 0:
            assert names_in(output) == OFFLINE_NAMES
            import zipfile

            with zipfile.ZipFile(output) as opened:
                # A write isn't atomic: the file may have been seen empty, but never other than it was for a moment.
                assert opened.read("app.py").decode() in [*texts, ""] or opened.testzip() is None
        else:
            assert process.returncode == 1, told
            assert "Package again" in told


def test_no_temporary_file_is_left_behind(offline_entry, offline_digest, tmp_path):
    folder = write_files(tmp_path / "temporary", {})
    build(offline_entry, tmp_path / "x.zip", tmp_path / "cache", environment={"TMPDIR": str(folder)})
    build(
        offline_entry,
        tmp_path / "y.zip",
        write_files(tmp_path, {"file": b"x"}) / "file",
        environment={"TMPDIR": str(folder)},
    )
    assert list(folder.iterdir()) == []
    assert files_of(tmp_path / "cache", "tmp") == []
