"""What commands print for programs has a schema: each command with `--format json` has one that its outputs keep."""

import json

import pytest
from entries import HANDLER, write_files
from jsonschema import Draft202012Validator
from offline import ROOT
from wheel_factory import build_wheel

from cdk_lambda_package.cli import COMMANDS, command_parser, main

RUNTIME = "python3.13"
REFERENCE = ROOT / "docs" / "reference"
# Those of other names, each with tests of its own.
OTHERS = {"check": "report"}

RUNS = {
    "build": [
        ("build", "svc", "--runtime", RUNTIME, "-o", "x.zip"),
        ("build", "svc", "--runtime", RUNTIME, "-o", "y.zip", "--dependencies", "layer", "--slim"),
        ("build", "svc", "--runtime", RUNTIME, "-o", "z.zip", "--layer"),
    ],
    "cache": [("cache", "info"), ("cache", "verify"), ("cache", "prune", "--max-size", "1GB")],
    "config": [("config", "svc")],
    "diff": [("diff", "svc", "svc", "--runtime", RUNTIME)],
    "explain": [("explain", "svc", "one", "--runtime", RUNTIME)],
    "findings": [("findings",)],
    "imports": [("imports", "svc", "--runtime", RUNTIME)],
    "lock": [("lock", "svc", "--runtime", RUNTIME)],
    "ls": [("ls", "svc", "--runtime", RUNTIME), ("ls", "svc", "--runtime", RUNTIME, "--dependencies", "layer")],
    "check": [("check", "svc", "--runtime", RUNTIME)],
    "verify": [("verify", "svc", "--runtime", RUNTIME, "--zip", "x.zip")],
}
# They need an app, or what a machine may lack; their tests hold the schema too.
ELSEWHERE = {"invoke": "test_invoke.py"}


def schema_of(command):
    return json.loads((REFERENCE / f"{OTHERS.get(command, command)}.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch, isolated_pip):
    build_wheel(tmp_path / "wheels", "one", files={"one.py": ""})
    requirements = "--no-index\n--find-links ../wheels\none\n"
    write_files(tmp_path / "svc", {"app.py": f"import one\n{HANDLER}", "requirements.txt": requirements})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def formats_of(command):
    actions = [action for action in command_parser(command)._actions if "--format" in action.option_strings]
    return [choice for action in actions for choice in action.choices]


def test_every_command_that_reports_has_json_and_a_schema():
    with_json = {command for command in COMMANDS if "json" in formats_of(command)}
    assert with_json == COMMANDS.keys() - {"completion"}
    assert with_json == RUNS.keys() | ELSEWHERE.keys()
    for command in with_json:
        Draft202012Validator.check_schema(schema_of(command))


@pytest.mark.parametrize("command", RUNS)
def test_the_output_keeps_its_schema(command, folder, capsys):
    store = () if command == "findings" else ("--cache-dir", str(folder / "cache"))
    if command == "verify":
        assert main([*RUNS["build"][0], *store]) == 0
        capsys.readouterr()
    for argv in RUNS[command]:
        assert main([*argv, "--format", "json", *store]) == 0
        Draft202012Validator(schema_of(command)).validate(json.loads(capsys.readouterr().out))


def test_the_output_of_a_difference_keeps_its_schema(folder, capsys):
    store = ("--cache-dir", str(folder / "cache"))
    assert main([*RUNS["build"][0], *store]) == 0
    write_files(folder / "svc", {"app.py": HANDLER})
    capsys.readouterr()
    assert main([*RUNS["verify"][0], "--format", "json", *store]) == 1
    report = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema_of("verify")).validate(report)
    assert report["same"] is False
