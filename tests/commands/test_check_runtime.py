"""`cdk-lambda-package check --runtime …`: what would break on another runtime: which import, why, and which release fixes it."""

import json

import pytest
from entries import write_files
from index_server import serve_index
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main

APP = "import parts\n\n\ndef handler(event, context): ...\n"


@pytest.fixture
def index(tmp_path, isolated_pip):
    """An index with a distribution whose release 1.0 imports what Python 3.13 removed, and one that needs nothing."""
    build_wheel(tmp_path / "files", "parts", "1.0", files={"parts.py": "import cgi\n"}, requires_dist=["sound"])
    build_wheel(tmp_path / "files", "parts", "2.0", files={"parts.py": "import html\n"}, requires_dist=["sound"])
    build_wheel(tmp_path / "files", "sound", "1.0", files={"sound.py": ""})
    with serve_index(tmp_path / "files") as server:
        entry = write_files(tmp_path / "svc", {"app.py": APP})
        write_files(entry, {"requirements.txt": f"--index-url {server.url()}\nparts==1.0\n"})
        yield server


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Runs `check svc` for a runtime; returns the exit status and stdout."""
    monkeypatch.chdir(tmp_path)

    def run(runtime, *options):
        status = main(["check", "svc", "--runtime", runtime, "--cache-dir", str(tmp_path / "cache"), *options])
        return status, capsys.readouterr().out

    return run


def test_the_first_line_says_which_distributions_fail_on_the_runtime(check, index):
    status, out = check("python3.13")
    assert status == 1
    assert out.splitlines()[0] == "On python3.13: 1 of 2 distributions fails at import: parts 1.0."
    assert "require parts>=2.0." in out
    status, out = check("python3.12")
    assert (status, out.splitlines()[0]) == (0, "On python3.12: no import error was found in 2 distributions.")


def test_json_counts_them(check, index):
    report = json.loads(check("python3.13", "--format", "json")[1])
    assert report["distributions"] == {"count": 2, "failing": ["parts==1.0"]}
    (error,) = (one for one in report["findings"] if one["severity"] == "error")
    assert (error["distribution"], error["subject"]) == ("parts==1.0", "cgi")


def test_without_a_wheel_for_the_runtime_the_first_release_that_has_one_is_named(check, index, tmp_path):
    for version, tag in (("1.0", "cp312"), ("1.1", "cp313"), ("1.2", "cp313")):
        build_wheel(
            tmp_path / "files", "native", version, tags=f"{tag}-{tag}-manylinux_2_17_x86_64", files={"native.py": ""}
        )
    write_files(tmp_path / "svc", {"requirements.txt": f"--index-url {index.url()}\nnative==1.0\n"})
    status, out = check("python3.13")
    assert status == 1
    first = "On python3.13: the requirements can't be resolved, so no import was checked."
    assert out.splitlines()[0] == first
    assert "native==1.0 has wheels, but none that python3.13 x86_64 loads: theirs are for cp312." in out
    assert "the first after 1.0 is 1.1, the newest 1.2" in out
    assert json.loads(check("python3.13", "--format", "json")[1])["distributions"] is None


def test_a_lock_for_another_runtime_is_an_error_and_its_versions_are_checked_all_the_same(
    check, index, tmp_path, capsys
):
    assert main(["lock", "svc", "--runtime", "python3.12", "--cache-dir", str(tmp_path / "cache")]) == 0
    capsys.readouterr()
    # The requirements alone would take 2.0.
    write_files(tmp_path / "svc", {"requirements.txt": f"--index-url {index.url()}\nparts\n"})
    status, out = check("python3.13")
    assert status == 1
    assert out.splitlines()[0] == "On python3.13: 1 of 2 distributions fails at import: parts 1.0."
    assert "error[lock-not-usable]" in out
    assert "The lock isn't for python3.13" in out
    assert "of the locked versions as far as python3.13 can have them." in out
    assert "error[removed-from-standard-library]" in out
    assert check("python3.12")[0] == 0


def test_of_a_runtime_that_is_newer_than_the_tables_the_report_says_what_it_does_not_know(check, index):
    out = check("python3.19")[1]
    assert "warning[runtime-assumed]" in out
    assert "Modules and names that its standard library lost since python3.14 are unknown." in out


@pytest.mark.network
def test_a_real_release_fails_on_a_newer_runtime_and_another_one_is_named(check, tmp_path):
    app = "import sortedcontainers\n\n\ndef handler(event, context): ...\n"
    write_files(tmp_path / "svc", {"app.py": app, "requirements.txt": "sortedcontainers==1.5.4\n"})
    status, out = check("python3.14")
    first = "On python3.14: 1 of 1 distribution fails at import: sortedcontainers 1.5.4."
    assert (status, out.splitlines()[0]) == (1, first)
    assert "doesn't have this error: require sortedcontainers>=2." in out
    status, out = check("python3.9")
    assert (status, out.splitlines()[0]) == (0, "On python3.9: no import error was found in 1 distribution.")
