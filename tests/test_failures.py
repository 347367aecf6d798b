"""Whatever goes wrong is an error that says what was being done, and no traceback."""

import errno
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from entries import HANDLER, package_request, write_files
from offline import MAIN, RUNTIME, cli_environment, run_cli
from this_host import require_file

from cdk_lambda_package.errors import HostError, InternalError, PackageError, bounded, shorten
from cdk_lambda_package.failures import during, reported
from cdk_lambda_package.packages import Job, make_packages
from cdk_lambda_package.store import FORMAT
from cdk_lambda_package.urls import hide_credentials, input_digest, without_credentials, without_rotating


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER})


def failing(error: BaseException, *, store: Path | None = None) -> PackageError:
    """Return what the boundary makes of an exception."""
    with pytest.raises(PackageError) as caught, reported("packaging orders", store=store):
        raise error
    return caught.value


def report_of(error: PackageError) -> Path:
    """Return the file that an internal error names."""
    match = re.search(r"attach '([^']+)'", str(error))
    assert match, str(error)
    return Path(match[1])


# The boundary


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), AssertionError()]
)
def test_a_fault_of_ours_says_so_and_names_the_file_to_attach(tmp_path, error):
    told = failing(error, store=tmp_path)
    assert isinstance(told, InternalError)
    assert str(told).startswith(f"Internal error while packaging orders: {type(error).__name__}: ")
    path = report_of(told)
    assert path.is_relative_to(tmp_path / FORMAT / "tmp")
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text()
    for part in ("Traceback", "Python 3", "cdk-lambda-package", "pip ", "while packaging orders"):
        assert part in text


def test_the_innermost_step_is_what_was_being_done(tmp_path):
    @during("reading the layers")
    def inner() -> None:
        raise KeyError("x")

    with (
        pytest.raises(InternalError, match="while reading the layers: KeyError"),
        reported("packaging", store=tmp_path),
        during("checking"),
    ):
        inner()


def test_a_report_has_no_secret_and_a_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_TOKEN", "canary-value-123")
    told = failing(
        ValueError("https://me:canary@example.com/x?canary " + "canary-value-123 " * 200_000), store=tmp_path
    )
    assert len(str(told)) < 2_000
    assert report_of(told).stat().st_size <= 100_000
    assert "canary" not in str(told)
    assert "canary" not in report_of(told).read_text()


def test_without_a_place_for_the_report_the_error_has_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.delenv("CDK_LAMBDA_PACKAGE_CACHE_DIR")
    (tmp_path / "missing").write_text("a file")
    told = str(failing(KeyError("x"), store=tmp_path / "missing"))
    assert "The end of its traceback:" in told
    assert len(told) < 2_000


def test_the_working_directory_never_gets_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = str(failing(KeyError("x")))
    assert "The end of its traceback:" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/store/x"),
            "No space left on device: '/store/x'. Free some space there.",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "Permission denied: 'a'. Change its permissions."),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files. Raise the limit of open files"),
        (MemoryError(), "there isn't enough memory"),
        (RecursionError(), "nested too deeply"),
        (OSError("no number"), "no number"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_system_refuses_names_what_was_done_and_the_path(tmp_path, error, told):
    found = failing(error, store=tmp_path)
    assert isinstance(found, HostError)
    assert str(found).startswith("Packaging orders failed: ")
    assert told in str(found)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), PackageError("as it is")])
def test_our_own_errors_and_the_ends_of_a_process_pass(error):
    with pytest.raises(type(error)) as caught, reported("packaging"):
        raise error
    assert caught.value is error


def test_a_fault_in_one_package_leaves_the_others(entry, tmp_path, store):
    def fail(digest: str) -> Path:
        raise KeyError("destination")

    bad, good = make_packages(
        [
            Job(package_request(entry=entry, runtime=RUNTIME), fail),
            Job(package_request(entry=entry, runtime=RUNTIME), lambda _: tmp_path / "x.zip"),
        ],
        store=store,
    )
    assert isinstance(bad, InternalError)
    assert f"while packaging {entry}: KeyError: 'destination'" in str(bad)
    assert report_of(bad).is_relative_to(store.root)
    assert good.path == tmp_path / "x.zip"


# Messages


def test_messages_are_bounded_and_nothing_in_them_is_obeyed_by_a_terminal():
    assert len(str(PackageError("9" * 10**6))) < 2_000
    assert len(str(PackageError("\n".join(["9" * 5_000] * 3)))) < 2_000
    assert len(str(PackageError("\n".join(["a problem"] * 10**6)))) < 25_000
    assert str(PackageError("a\x1b[31m\0b\udcff\n\tc")) == "a\\x1b[31m\\x00b\\udcff\n\tc"
    assert bounded("short") == "short"
    assert shorten("9" * 5000, 60) == "9999999999 … 4,980 more characters … 9999999999"


# Streams of the command line


@pytest.mark.parametrize(
    ("redirections", "status"),
    [("2>&-", 0), (">&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0), (">/dev/full", 1), ("| true", 0)],
)
def test_closed_and_full_streams_leave_the_package_and_its_status(entry, tmp_path, redirections, status):
    if "full" in redirections:
        require_file(Path("/dev/full"))
    output, ended = tmp_path / "x.zip", tmp_path / "status"
    # A pattern that selects nothing is a warning, so something is written to stderr.
    command = f'"$0" -c "$1" build "$2" --runtime {RUNTIME} -o "$3" --include "none*"'
    command, _, pipe = f"{command} {redirections}".partition("|")
    done = subprocess.run(
        ["sh", "-c", f'{{ {command}; echo $? > "$4"; }} {f"| {pipe}" if pipe else ""}', sys.executable, MAIN, str(entry), str(output), str(ended)],
        env=cli_environment(tmp_path / "cache"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert int(ended.read_text()) == status, done.stderr
    assert output.exists()
    assert "Traceback" not in done.stderr
    if status:
        assert "No space left on device: 'the standard output'" in done.stderr


def test_a_file_that_cant_be_written_to_isnt_taken_for_a_closed_stream(entry, tmp_path):
    """With stderr closed, the next file that is opened would be stderr."""
    output = tmp_path / "x.zip"
    script = f'"$0" -c "$1" build "$2" --runtime {RUNTIME} -o "$3" --before-packaging "sh -c \'echo noise >&2\'" 2>&-'
    argv = ["sh", "-c", script, sys.executable, MAIN, str(entry), str(output)]
    assert subprocess.run(argv, env=cli_environment(tmp_path / "cache"), check=False).returncode == 0
    assert b"noise" not in output.read_bytes()


# Hosts


def run(entry: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = ("build", entry, "--runtime", RUNTIME, "-o", tmp_path / "x.zip")
    return run_cli(*argv, cache=tmp_path / "cache", environment=environment)


def test_odd_hosts_make_the_package_or_an_error(entry, tmp_path):
    for environment in (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
        {"CDK_LAMBDA_PACKAGE_CACHE_DIR": "/dev/null"},
        {"CDK_LAMBDA_PACKAGE_CACHE_DIR": "x" * 5000},
        {"CDK_LAMBDA_PACKAGE_MAX_LOCK_AGE": "nan"},
        {"CDK_LAMBDA_PACKAGE_SMOKE": "\udcff"},
    ):
        done = run(entry, tmp_path, **environment)
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or (done.stderr.startswith("error: ") and len(done.stderr) < 2_000), done.stderr


# Time


@pytest.mark.parametrize("piece", ["a", "http://", "?http://", "://", "?key", "&token", "a+", " ", "git+https://x@"])
def test_urls_are_found_in_linear_time(piece):
    text = piece * (3_000_000 // len(piece))
    for read in (without_credentials, lambda text: without_rotating(text, {}), lambda text: hide_credentials(text, {"X": text[:100_000]}),
                 lambda text: input_digest(text.encode(), {})):  # fmt: skip
        began = time.process_time()
        read(text)
        assert time.process_time() - began < 5
