"""`cdk-lambda-package diff`: what changed between two packages, manifests, archives or commits."""

import json
import subprocess
import warnings
import zipfile

import pytest
from entries import HANDLER, snapshot, write_files
from jsonschema import Draft202012Validator
from offline import ROOT
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main

RUNTIME = "python3.13"
SCHEMA = json.loads((ROOT / "docs" / "reference" / "diff.schema.json").read_text(encoding="utf-8"))
OFFLINE = "--no-index\n--find-links ../wheels\n"


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, isolated_pip):
    """Runs a command in a folder with the entry directories `old` and `new`; returns the exit status, stdout and stderr."""
    for name, version, size in (("one", "1.0", 1000), ("one", "2.0", 5000), ("gone", "1.0", 10), ("fresh", "1.0", 300)):
        build_wheel(tmp_path / "wheels", name, version, files={f"{name}.py": "#" * size})
    write_files(tmp_path / "old", {"app.py": HANDLER, "requirements.txt": f"{OFFLINE}one<2\ngone\n"})
    edited = {"app.py": f"{HANDLER}# more\n", "chalicelib/new.py": "", "requirements.txt": f"{OFFLINE}one\nfresh\n"}
    write_files(tmp_path / "new", edited)
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        try:
            status = main([*map(str, argv), "--cache-dir", str(tmp_path / "cache")])
        except SystemExit as wrong_usage:
            status = wrong_usage.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def compared(run, *argv):
    status, out, err = run("diff", *argv, "--format", "json")
    assert status == 0, err
    found = json.loads(out)
    Draft202012Validator(SCHEMA).validate(found)
    return found


def changes(found):
    return {one["name"]: one["change"] for one in found["distributions"]}


CHANGES = {"one": "upgraded", "gone": "removed", "fresh": "added"}


def test_distributions_and_own_files_that_changed_are_told(run):
    found = compared(run, "old", "new", "--runtime", RUNTIME)
    assert changes(found) == CHANGES
    assert next(iter(changes(found))) == "one", "the largest change of size comes first"
    (upgraded,) = [one for one in found["distributions"] if one["name"] == "one"]
    assert (upgraded["version_before"], upgraded["version_after"]) == ("1.0", "2.0")
    assert upgraded["size_after"] - upgraded["size_before"] == pytest.approx(4000, abs=20)
    (own,) = found["own"]
    assert {(one["path"], one["change"]) for one in own["files"]} == {
        ("app.py", "changed"),
        ("chalicelib/new.py", "added"),
    }
    assert found["after"]["size"] - found["before"]["size"] == sum(
        one["size_after"] - one["size_before"] for one in (*found["distributions"], own)
    )


def test_the_text_has_a_line_for_each(run):
    _, out, _ = run("diff", "old", "new", "--runtime", RUNTIME)
    assert "1 added, 1 removed, 1 upgraded" in out
    assert "one 1.0 → 2.0" in out
    assert "app.py" in out
    assert "one.py" not in out
    assert "one.py" in run("diff", "old", "new", "--runtime", RUNTIME, "--files")[1]


def test_a_package_is_equal_to_itself(run):
    assert compared(run, "old", "old", "--runtime", RUNTIME)["same"] is True
    assert "have the same content" in run("diff", "old", "old", "--runtime", RUNTIME)[1]


def test_manifests_and_archives_need_no_runtime(run):
    for name in ("old", "new"):
        assert run("build", name, "--runtime", RUNTIME, "-o", f"{name}.zip", "--manifest", f"{name}.json")[0] == 0
    for operands in (("old.json", "new.json"), ("old.zip", "new.zip"), ("old.zip", "new.json")):
        assert changes(compared(run, *operands)) == CHANGES
    for operands in (("old.json", "old.zip"), ("old.zip", "old.json")):
        assert compared(run, *operands)["same"] is True


def test_another_target_is_a_change(run):
    for runtime in ("python3.12", "python3.13"):
        assert run("build", "old", "--runtime", runtime, "-o", "x.zip", "--manifest", f"{runtime}.json")[0] == 0
    found = compared(run, "python3.12.json", "python3.13.json")
    assert found["same"] is False
    assert "python3.12 x86_64 → python3.13 x86_64" in run("diff", "python3.12.json", "python3.13.json")[1]


@pytest.fixture
def repository(run, tmp_path):
    """A repository whose last commit has the old requirements in `new` too."""

    def git(*words):
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=n@example.com", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    requirements = tmp_path / "new" / "requirements.txt"
    edited = requirements.read_text()
    requirements.write_text((tmp_path / "old" / "requirements.txt").read_text())
    git("add", "-A")
    git("commit", "-qm", "first")
    requirements.write_text(edited)
    return tmp_path


def test_a_commit_is_compared_with_the_working_tree_and_nothing_is_touched(run, repository):
    before = [snapshot(repository / name) for name in ("new", ".git")]
    assert changes(compared(run, "HEAD:new", "new", "--runtime", RUNTIME)) == CHANGES
    assert [snapshot(repository / name) for name in ("new", ".git")] == before


def test_a_commit_that_there_isnt_is_an_error(run, repository):
    for operand, words in (
        ("HEAD:nowhere", "has no directory 'nowhere'"),
        ("nothing:new", "there is no commit nothing"),
        ("nowhere", "'nowhere' doesn't exist. Accepted are"),
    ):
        status, _, err = run("diff", operand, "new", "--runtime", RUNTIME)
        assert status in (1, 2)
        assert words in err


def test_an_error_of_a_commit_names_the_commit(run, repository):
    subprocess.run(["git", "rm", "-q", "--cached", "new/app.py"], cwd=repository, check=True)
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qm", "no app"]
    subprocess.run(command, cwd=repository, check=True)
    status, _, err = run("diff", "HEAD:new", "new", "--runtime", RUNTIME)
    assert status == 1
    assert "HEAD:new" in err
    assert "cache" not in err


def test_an_archive_that_cant_be_read_is_an_error(run, tmp_path):
    (tmp_path / "x.zip").write_text("no archive")
    status, _, err = run("diff", "x.zip", "x.zip")
    assert status == 1
    assert "isn't a .zip file archive" in err


def test_a_runtime_is_asked_for(run):
    status, _, err = run("diff", "old", "new")
    assert status == 2
    assert "give the function's runtime" in err


def write_zip(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)


METADATA = "six-1.0.dist-info/METADATA"


def test_an_archive_of_a_stranger_harms_neither_the_machine_nor_the_terminal(run, tmp_path):
    write_zip(tmp_path / "empty.zip", ("app.py", ""))
    hostile = "Name: s\x1b[31mix\x07\nVersion: 1.0\x1b]0;title\x07\n"
    write_zip(tmp_path / "codes.zip", (METADATA, hostile), ("a\x1b[2J.py", ""))
    status, out, _ = run("diff", "codes.zip", "empty.zip", "--files")
    assert (status, "\x1b" in out, "\x07" in out) == (0, False, False)
    # What unpacks to much more than a METADATA has isn't read as one.
    write_zip(tmp_path / "bomb.zip", (METADATA, b"Name: six\nVersion: 1.0\n" + b"x" * (17 << 20)))
    found = compared(run, "bomb.zip", "empty.zip")
    assert found["distributions"] == []


def test_an_archive_with_a_name_twice_is_an_error(run, tmp_path):
    write_zip(tmp_path / "twice.zip", ("app.py", "evil"), ("app.py", "good"))
    status, _, err = run("diff", "twice.zip", "twice.zip")
    assert (status, "2 files of the name 'app.py'" in err) == (1, True)


def test_metadata_without_a_name_is_a_file(run, tmp_path):
    write_zip(tmp_path / "one.zip", (METADATA, "Summary: nothing\n"))
    write_zip(tmp_path / "two.zip", ("app.py", ""))
    assert compared(run, "one.zip", "two.zip")["distributions"] == []


def test_an_archive_is_recognised_by_its_content(run, tmp_path):
    write_zip(tmp_path / "package", ("app.py", ""))
    assert compared(run, "package", "package")["same"] is True
    assert "doesn't say where its files are from" in run("explain", "package", "app.py")[2]


@pytest.mark.parametrize("options", [("--layer",), ("--bytecode", "auto"), ()], ids=["layer", "bytecode", "vendor"])
def test_an_archive_has_the_content_of_its_manifest(run, tmp_path, options):
    write_files(
        tmp_path / "new", {"vendor/foo.py": "", "vendor/foo-1.0.dist-info/METADATA": "Name: foo\nVersion: 1.0\n"}
    )
    assert run("build", "new", "--runtime", RUNTIME, "-o", "x.zip", "--manifest", "x.json", *options)[0] == 0
    for operands in (("x.zip", "x.json"), ("x.json", "x.zip")):
        found = compared(run, *operands)
        assert found["same"] is True, found


def test_a_commit_leads_to_nothing_outside_of_it(run, repository, tmp_path):
    (tmp_path / "new" / "out").symlink_to(tmp_path / "old")
    for words in (["add", "-A"], ["-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qm", "link"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    status, _, err = run("diff", "HEAD:new/out", "new", "--runtime", RUNTIME)
    assert (status, "leads out of the commit" in err) == (1, True)
    for operand in ("HEAD:../old", f"HEAD:{tmp_path}/old"):
        status, _, err = run("diff", operand, "new", "--runtime", RUNTIME)
        assert (status, "doesn't exist. Accepted are" in err) == (2, True)
