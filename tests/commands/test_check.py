"""`cdk-lambda-package check`: every finding, for people and programs, and its exit status; `findings`, their pages."""

import json
from pathlib import Path

import jsonschema
import pytest
from entries import HANDLER, write_files
from offline import ROOT, RUNTIME, write_offline_entry
from wheel_factory import build_wheel

from cdk_lambda_package.catalogue import rules
from cdk_lambda_package.cli import main

SCHEMA = json.loads((ROOT / "docs" / "reference" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Runs `check svc` beside the entry directory; returns the exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        status = main(["check", "svc", "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), *map(str, argv)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": HANDLER})


def read(out: str) -> dict:
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return report


def ids(report: dict) -> list[str]:
    return [finding["id"] for finding in report["findings"]]


def require(entry: Path, *wheels: Path) -> None:
    """Require wheels by name alone, from a folder: no index is asked, and nothing is pinned."""
    names = "\n".join(wheel.name.split("-")[0] for wheel in wheels)
    write_files(entry, {"requirements.txt": f"--no-index\n--find-links ./wheels\n{names}\n"})


@pytest.fixture
def conflict(entry):
    """Two requirements with other content at the same paths, unpinned: an error, a warning and a note."""
    files = {"both.py": "A = 1\n", "LICENSE": "a"}
    one = build_wheel(entry / "wheels", "one", files={"one.py": "", **files})
    two = build_wheel(entry / "wheels", "two", files={"two.py": "", "both.py": "A = 2\n", "LICENSE": "b"})
    require(entry, one, two)


def test_nothing_found_is_status_0_and_a_line(check, entry):
    assert check() == (0, f"svc: nothing found for {RUNTIME} x86_64\n", "")


def test_every_finding_is_told_together_the_worst_first(check, conflict):
    status, out, err = check()
    assert (status, err) == (1, "")
    heads = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert heads == [
        f"On {RUNTIME}: no import error was found in 2 distributions.",
        "error[path-conflict] both.py",
        "warning[path-conflict-data] LICENSE",
        f"note[requirements-not-locked] {Path('svc/requirements.txt')}",
        f"svc: 1 error, 1 warning, 1 note for {RUNTIME} x86_64",
        "To see what a finding means and how to fix it: cdk-lambda-package findings ID",
    ]


def test_json_has_what_the_schema_says(check, conflict):
    status, out, _ = check("--format", "json")
    report = read(out)
    assert status == 1
    assert report["counts"] == {"error": 1, "warning": 1, "note": 1, "acknowledged": 0}
    assert report["complete"] is True
    (locked,) = (finding for finding in report["findings"] if finding["id"] == "requirements-not-locked")
    assert locked.pop("message").startswith("requirements.txt doesn't pin")
    assert locked == {
        "id": "requirements-not-locked",
        "severity": "note",
        "path": "requirements.txt",
        "file": "svc/requirements.txt",
        "acknowledged": False,
    }


def test_the_status_is_that_of_what_nobody_acknowledged(check, conflict):
    every = ["path-conflict", "path-conflict-data", "requirements-not-locked"]
    for acknowledged, fail_on, status in [
        ([], "error", 1),
        (["path-conflict"], "error", 0),
        (["path-conflict:both.py"], "error", 0),
        (["path-conflict:one.py"], "error", 1),
        (["path-conflict"], "warning", 1),
        (every, "note", 0),
        ([*every, "case-clash"], "warning", 0),
        ([*every, "case-clash"], "note", 1),
    ]:
        options = [f"--acknowledge={name}" for name in acknowledged]
        assert (acknowledged, fail_on, check("--fail-on", fail_on, *options)[0]) == (acknowledged, fail_on, status)


def test_what_is_acknowledged_is_shown_as_such(check, conflict):
    status, out, _ = check("--acknowledge", "path-conflict:both.py", "--acknowledge", "path-conflict-data")
    assert status == 0
    assert "acknowledged error[path-conflict] both.py" in out
    assert "svc: 1 note, 2 acknowledged for" in out
    report = read(check("--acknowledge", "path-conflict:both.py", "--format", "json")[1])
    assert {finding["id"]: finding["acknowledged"] for finding in report["findings"]} == {
        "path-conflict": True,
        "path-conflict-data": False,
        "requirements-not-locked": False,
    }


def test_an_acknowledgement_that_nothing_needs_is_a_note(check, entry):
    status, out, _ = check("--acknowledge", "case-clash:A.txt", "--format", "json")
    report = read(out)
    assert (status, ids(report), report["findings"][0]["subject"]) == (0, ["acknowledged-nothing"], "case-clash:A.txt")


def test_what_is_acknowledged_for_all_functions_needs_no_finding_in_each(check, conflict, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_ACKNOWLEDGE", "path-conflict:both.py, case-clash")
    report = read(check("--acknowledge", "path-conflict-data", "--format", "json")[1])
    assert {finding["id"]: finding["acknowledged"] for finding in report["findings"]} == {
        "path-conflict": True,
        "path-conflict-data": True,
        "requirements-not-locked": False,
    }
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_ACKNOWLEDGE", "case-clsh")
    assert "the nearest are case-clash" in check()[2]


@pytest.mark.parametrize(
    ("files", "finding", "text"),
    [
        ({"app.py": HANDLER, "vendor/app.py": ""}, "entry-not-usable", "a name that the app's own code has"),
        ({"main.py": HANDLER}, "entry-not-usable", "the entry directory has main.py"),
        ({"app.py": HANDLER, "requirements.txt": "flask=>2\n"}, "requirements-not-resolved", "write 'flask>=2'"),
        ({"app.py": HANDLER, "vendor/odd.whl": ""}, "wheel-not-usable", "isn't named as wheels are"),
        ({"app.py": HANDLER, "pylock.toml": "no lock"}, "lock-not-usable", "pylock.toml"),
    ],
)
def test_what_stops_a_package_is_a_finding_too(check, tmp_path, files, finding, text):
    write_files(tmp_path / "svc", files)
    status, out, err = check("--format", "json")
    report = read(out)
    assert (status, ids(report), report["complete"], err) == (1, [finding], False, "")
    assert text in report["findings"][0]["message"]
    assert "Nothing else could be checked." in check()[1]


def test_an_error_of_requirements_is_at_its_line_as_findings_are(check, tmp_path):
    more = "six\nflask=>2\n"
    write_files(tmp_path / "svc", {"app.py": HANDLER, "requirements.txt": "-r more/base.txt\n", "more/base.txt": more})
    (finding,) = read(check("--format", "json")[1])["findings"]
    assert (finding["path"], finding["line"]) == ("more/base.txt", 2)
    assert finding["message"].startswith("'flask=>2' is not a requirement")
    assert "error[requirements-not-resolved] svc/more/base.txt:2\n" in check()[1]
    (result,) = json.loads(check("--format", "sarif")[1])["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("svc/more/base.txt", {"startLine": 2})
    # Of several, the message has all places.
    write_files(tmp_path / "svc", {"more/base.txt": f"{more}jinja2=>3\n"})
    (finding,) = read(check("--format", "json")[1])["findings"]
    assert (finding["path"], finding["line"]) == ("more/base.txt", 2)
    assert "more/base.txt:3: 'jinja2=>3'" in finding["message"]


def test_a_command_that_fails_is_a_finding_too(check, entry):
    status, out, _ = check("--before-packaging", "false", "--format", "json")
    assert (status, ids(read(out))) == (1, ["command-failed"])


def test_options_that_cant_be_meant_are_no_finding(check, entry):
    status, out, err = check("--acknowledge", "requirments-not-locked")
    assert (status, out) == (1, "")
    assert err.startswith("error: acknowledge has 'requirments-not-locked'")
    assert "requirements-not-locked" in err


def test_nothing_is_written_but_to_the_store(check, entry, tmp_path):
    write_offline_entry(entry)
    before = sorted(path for path in tmp_path.rglob("*") if tmp_path / "cache" not in path.parents)
    assert check()[0] == 0
    after = sorted(path for path in tmp_path.rglob("*") if tmp_path / "cache" not in path.parents)
    assert after == sorted([*before, tmp_path / "cache"])


def test_findings_lists_every_kind(capsys):
    assert main(["findings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[rule.severity.value, rule.id] for rule in rules()]
    assert main(["findings", "--format", "json"]) == 0
    assert {row["id"] for row in json.loads(capsys.readouterr().out)} == {rule.id for rule in rules()}


def test_findings_shows_the_page_of_one(capsys):
    for name in ("path-conflict", "path-conflict:both.py"):
        assert main(["findings", name]) == 0
        assert capsys.readouterr().out.startswith("# path-conflict\n")


def test_findings_of_an_unknown_id_is_an_error(capsys):
    assert main(["findings", "paths-conflict"]) == 1
    assert "No finding has the id 'paths-conflict'" in capsys.readouterr().err
