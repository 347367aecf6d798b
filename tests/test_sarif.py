"""SARIF: valid by the standard's schema, and what a code host makes of it."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from entries import HANDLER, package_request, write_files
from offline import ROOT, RUNTIME
from this_host import require_file
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.reports import Report, describe_as_sarif
from cdk_lambda_package.target import Target

# The schema of SARIF 2.1.0 comes in an npm package of its makers.
SCHEMAS = ROOT / ".venv" / "node" / "node_modules" / "@microsoft" / "jest-sarif" / "lib" / "schemas"


@pytest.fixture(scope="session")
def validate():
    path = require_file(SCHEMAS / "sarif-2.1.0-rtm.5.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    checker = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    return checker.validate


@pytest.fixture
def entry(tmp_path):
    return write_files(
        tmp_path / "repository" / "services" / "größe",
        {"app.py": f"import yaml\n\n{HANDLER}", "vendor/lib/x y.py": "", "requirements.txt": "one\n"},
    )


@pytest.fixture
def root(entry):
    return entry.parent.parent


def finding(name="import-not-found", severity=Severity.ERROR, **fields) -> Finding:
    return Finding(id=name, severity=severity, message=f"About {name}.", **fields)


def describe(entry: Path, root: Path, *findings: Finding, acknowledge=(), complete=True) -> dict:
    """Return the one run of the log of some findings."""
    request = package_request(entry=entry, runtime=RUNTIME, acknowledge=acknowledge)
    target = Target.parse(RUNTIME)
    report = Report(
        request=request, target=target, index="app.py", handler="handler", complete=complete, findings=findings
    )
    (run,) = describe_as_sarif(report, root=root)["runs"]
    return run


def places(run: dict) -> list[tuple[str, str | None, int]]:
    found = []
    for result in run["results"]:
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        place = physical["artifactLocation"]
        found.append((place["uri"], place.get("uriBaseId"), physical["region"]["startLine"]))
    return found


def fingerprints(run: dict) -> list[str]:
    return [value for result in run["results"] for value in result["partialFingerprints"].values()]


def test_the_log_of_a_check_is_valid(entry, root, validate, tmp_path, capsys, monkeypatch):
    (root / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    files = {"both.py": "A = 1\n", "LICENSE": "a"}
    build_wheel(entry / "wheels", "one", files=files)
    build_wheel(entry / "wheels", "two", files={"both.py": "A = 2\n", "LICENSE": "b"})
    write_files(entry, {"app.py": HANDLER, "requirements.txt": "--no-index\n--find-links wheels\none\ntwo\n"})
    argv = ["check", str(entry), "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), "--format", "sarif"]
    assert main([*argv, "--acknowledge", "path-conflict-data"]) == 1
    log = json.loads(capsys.readouterr().out)
    validate(log)
    (run,) = log["runs"]
    levels = [(result["ruleId"], result["level"], len(result["suppressions"])) for result in run["results"]]
    assert levels == [
        ("path-conflict", "error", 0),
        ("path-conflict-data", "warning", 1),
        ("requirements-not-locked", "note", 0),
    ]
    assert {uri for uri, _, _ in places(run)} == {"services/gr%C3%B6%C3%9Fe/requirements.txt"}
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [row[0] for row in levels]
    assert rules[0]["help"]["markdown"].startswith("# path-conflict\n")
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_no_path_of_this_machine_is_in_it(entry, root):
    run = describe(entry, root, finding(path="app.py", line=1), finding("case-clash", path="nowhere.py"))
    assert str(root.parent) not in json.dumps(run)


def test_a_finding_is_where_the_user_has_the_file(entry, root):
    run = describe(
        entry,
        root,
        finding(path="app.py", line=1),
        finding(path="vendor/lib/x y.py", line=3),
        finding("own-file-wins", path="lib/x y.py"),
        finding("path-conflict", path="of_a_requirement.py"),
        finding("runtime-assumed"),
    )
    folder = "services/gr%C3%B6%C3%9Fe"
    assert places(run) == [
        (f"{folder}/app.py", "%SRCROOT%", 1),
        (f"{folder}/vendor/lib/x%20y.py", "%SRCROOT%", 3),
        (f"{folder}/vendor/lib/x%20y.py", "%SRCROOT%", 1),
        (f"{folder}/requirements.txt", "%SRCROOT%", 1),
        (f"{folder}/app.py", "%SRCROOT%", 1),
    ]


def test_a_file_outside_of_the_repository_has_its_whole_path(entry, root, tmp_path):
    run = describe(entry, tmp_path / "elsewhere", finding(path="app.py", line=2))
    assert places(run) == [((entry / "app.py").as_uri(), None, 2)]


def test_an_edit_above_leaves_the_fingerprint_as_it_was(entry, root):
    before = describe(entry, root, finding(path="app.py", line=1, subject="yaml"))
    after = describe(entry, root, finding(path="app.py", line=7, subject="yaml"))
    assert fingerprints(before) == fingerprints(after)


def test_each_finding_has_a_fingerprint_of_its_own(entry, root):
    run = describe(
        entry,
        root,
        finding(path="app.py", line=1, subject="yaml"),
        finding(path="app.py", line=5, subject="yaml"),
        finding(path="app.py", line=2, subject="toml"),
        finding(path="chalicelib/a.py", line=2, subject="toml"),
        finding("import-uncertain", path="app.py", line=2, subject="toml"),
    )
    assert len(set(fingerprints(run))) == 5


def test_what_is_acknowledged_is_suppressed(entry, root):
    yaml, toml = finding(path="app.py", subject="yaml"), finding(path="app.py", subject="toml")
    run = describe(entry, root, yaml, toml, acknowledge=("import-not-found:yaml",))
    assert [result["suppressions"] for result in run["results"]] == [
        [{"kind": "external", "status": "accepted", "justification": "acknowledge"}],
        [],
    ]


def test_runs_for_other_targets_and_functions_are_told_apart(entry, root):
    run = describe(entry, root)
    assert run["automationDetails"]["id"] == f"cdk-lambda-package/services/größe/{RUNTIME}/x86_64/"
    assert run["results"] == []


def test_checks_that_were_stopped_say_so(entry, root, validate):
    run = describe(entry, root, finding("entry-not-usable"), complete=False)
    assert run["invocations"] == [{"executionSuccessful": False}]


def test_paths_begin_where_the_repository_does(entry, root, tmp_path, capsys, monkeypatch):
    (entry / "app.py").unlink()
    argv = ["check", str(entry), "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), "--format", "sarif"]
    seen = []
    for folder in (tmp_path, tmp_path / "repository" / "services"):
        monkeypatch.chdir(folder)
        main(argv)
        seen.append(json.loads(capsys.readouterr().out)["runs"][0])
    (root / ".git").mkdir()
    main(argv)
    seen.append(json.loads(capsys.readouterr().out)["runs"][0])
    uris = [re.sub("%..", "?", places(run)[0][0]) for run in seen]
    assert uris == [
        "repository/services/gr????e/app.py",
        "gr????e/app.py",
        "services/gr????e/app.py",
    ]
