"""Thousands of findings of one kind: people are shown some of them, programs all."""

import json

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match
from entries import HANDLER, package_request, write_files

from cdk_lambda_package import PythonFunction, package
from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import ContentError, FindingsError

MISSING = [f"missing_{number}" for number in range(2000)]
LAZY = f"def lazily():\n    import {', '.join(MISSING)}\n"


@pytest.fixture
def broken(tmp_path):
    imports = f"import {', '.join(MISSING)}\nimport cgi\n"
    return write_files(tmp_path / "svc", {"app.py": f"{imports}{HANDLER}"})


def test_an_error_names_some_of_a_kind_and_says_how_many_more_there_are(broken, store):
    with pytest.raises(FindingsError) as caught:
        package(package_request(entry=broken, runtime="python3.13"), store=store)
    first, *lines = str(caught.value).splitlines()
    assert first == "2,001 problems:"
    assert sum("[import-not-found]" in line for line in lines) == 20
    assert sum("[removed-from-standard-library]" in line for line in lines) == 1
    assert "  - 1,980 more of import-not-found: `cdk-lambda-package check --format json` lists them all." in lines
    assert len(caught.value.findings) == 2001


def test_a_huge_list_of_exported_names_is_no_huge_text(tmp_path, store):
    exported = f"__all__ = {MISSING!r}\n"
    files = {"app.py": f"from chalicelib.names import *\n{HANDLER}", "chalicelib/names/one.py": ""}
    entry = write_files(tmp_path / "svc", {**files, "chalicelib/names/__init__.py": exported})
    with pytest.raises(FindingsError) as caught:
        package(package_request(entry=entry, runtime="python3.13"), store=store)
    assert len(str(caught.value)) < 20_000


def test_people_are_shown_some_and_programs_get_all(broken, tmp_path, capsys):
    command = ["check", str(broken), "--runtime", "python3.13", "--cache-dir", str(tmp_path / "store")]
    assert main([*command, "--acknowledge", f"import-not-found:{MISSING[5]}"]) == 1
    said = capsys.readouterr().out
    assert said.count("[import-not-found]") == 21
    assert "acknowledged error[import-not-found] " in said
    assert "1,979 more of import-not-found: `cdk-lambda-package check --format json` lists them all" in said
    assert "2000 errors, 1 acknowledged" in said
    main([*command, "--format", "json"])
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 2001
    main([*command, "--format", "sarif"])
    assert len(json.loads(capsys.readouterr().out)["runs"][0]["results"]) == 2001


def test_building_prints_some_warnings_and_how_many_more_there_are(tmp_path, capsys):
    entry = write_files(tmp_path / "svc", {"app.py": f"{LAZY}{HANDLER}"})
    command = ["build", str(entry), "--runtime", "python3.13", "--cache-dir", str(tmp_path / "store")]
    assert main([*command, "--output", str(tmp_path / "x.zip")]) == 0
    said = capsys.readouterr().err
    assert said.count("[import-uncertain]") == 20
    assert "1,980 more of import-uncertain" in said


def test_cdk_is_given_some_warnings_and_how_many_more_there_are(tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": f"{LAZY}{HANDLER}"})
    stack = Stack(App(), "Stack")
    PythonFunction(stack, "Function", entry=str(entry), runtime=lambda_.Runtime.PYTHON_3_13)
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert len(found) == 21
    assert any("1,980 more" in warning.entry.data for warning in found)


def test_of_hundreds_of_files_that_cant_be_packaged_some_are_named():
    told = str(ContentError(f"file {number}" for number in range(300)))
    assert told.startswith("300 problems:\n  - file 0\n")
    assert told.endswith("\n  - file 99\n  - 200 more.")
