"""`config`: the value of each option for an entry directory, and what sets it."""

import json

import jsonschema
import pytest
from entries import HANDLER, write_files
from offline import ROOT

from cdk_lambda_package.cli import main
from cdk_lambda_package.options import OPTIONS

SCHEMA = json.loads((ROOT / "docs" / "reference" / "config.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """An entry directory with a table, named from the working directory."""
    monkeypatch.chdir(tmp_path)
    table = "[tool.cdk-lambda-package]\nslim = true\nmax_lock_age = 12\nexclude = ['*.md']\n"
    return write_files(tmp_path / "orders", {"app.py": HANDLER, "pyproject.toml": table})


def config(capsys, *options):
    assert main(["config", "orders", *options]) == 0
    return capsys.readouterr().out


def test_each_option_is_shown_with_the_place_that_sets_it(orders, capsys, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES", "yes")
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_SLIM", "no")
    lines = config(capsys, "--smoke", "--exclude=*.txt").splitlines()
    rows = [line.split() for line in lines]
    assert rows[0] == ["option", "value", "set", "by"]
    assert rows[1:6] == [
        ["exclude", '["*.txt"]', "the", "command", "line"],
        ["slim", "true", "orders/pyproject.toml"],
        ["max_lock_age", "12", "orders/pyproject.toml"],
        ["require_hashes", "true", "$CDK_LAMBDA_PACKAGE_REQUIRE_HASHES"],
        ["smoke", "true", "the", "command", "line"],
    ]
    assert rows[6][0] == "include"
    assert all(row[-1] == "default" for row in rows[6:])
    assert {row[0] for row in rows[1:]} == OPTIONS.keys()


def test_the_output_for_programs_is_as_its_schema_says(orders, capsys, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_ACKNOWLEDGE", "case-clash")
    told = json.loads(config(capsys, "--format=json", "--acknowledge=path-conflict"))
    jsonschema.validate(told, SCHEMA)
    assert told["entry"] == "orders"
    assert told["options"].keys() == OPTIONS.keys()
    options = told["options"]
    assert options["slim"] == {"value": True, "set_by": [{"kind": "entry", "place": "orders/pyproject.toml"}]}
    assert options["acknowledge"] == {
        "value": ["path-conflict", "case-clash"],
        "set_by": [
            {"kind": "request", "place": "the command line"},
            {"kind": "environment", "place": "$CDK_LAMBDA_PACKAGE_ACKNOWLEDGE"},
        ],
    }
    assert options["smoke"] == {"value": False, "set_by": []}
    assert options["allow_build"] == {"value": True, "set_by": []}
    assert options["requirements"] == {"value": None, "set_by": []}


def test_secrets_are_not_shown(orders, capsys, monkeypatch):
    arguments = "--index-url=https://me:secret@packages.example.com/simple"
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_PIP_ARGS", arguments)
    monkeypatch.setenv(
        "CDK_LAMBDA_PACKAGE_PIP_ENVIRONMENT", f"MY_TOKEN=secret PIP_INDEX_URL={arguments[12:]} PIP_PRE=1"
    )
    shown = config(capsys) + config(capsys, "--format=json")
    assert "secret" not in shown
    assert "https://packages.example.com/simple" in shown
    assert '"MY_TOKEN": "***"' in shown


def test_an_entry_directory_that_doesnt_exist_has_the_defaults(orders, capsys):
    assert main(["config", "bills"]) == 0
    assert "pyproject.toml" not in capsys.readouterr().out


def test_a_wrong_table_is_an_error(orders, capsys):
    write_files(orders, {"pyproject.toml": "[tool.cdk-lambda-package]\nslm = true\n"})
    assert main(["config", "orders"]) == 1
    assert "orders/pyproject.toml: [tool.cdk-lambda-package] has 'slm'" in capsys.readouterr().err
