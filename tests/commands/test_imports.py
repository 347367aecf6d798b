"""`cdk-lambda-package imports`: what is loaded at start, for people and programs, its budgets and its times."""

import json

import jsonschema
import pytest
from entries import write_files
from offline import ROOT, RUNTIME
from wheel_factory import build_wheel

from cdk_lambda_package.cli import main
from cdk_lambda_package.interpreters import interpreter_for
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.smoke import read_import_times
from cdk_lambda_package.target import Target

SCHEMA = json.loads((ROOT / "docs" / "reference" / "imports.schema.json").read_text(encoding="utf-8"))

APP = """\
import os

import first

if os.environ.get("DEBUG"):
    import doubted


def handler(event, context):
    import lazy
"""


@pytest.fixture
def imports(tmp_path, capsys, monkeypatch):
    """Runs `imports svc` beside the entry directory; returns the exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    entry = write_files(tmp_path / "svc", {"app.py": APP})
    wheels = entry / "wheels"
    build_wheel(wheels, "first", files={"first/__init__.py": "import second\n", "first/unused.py": "X = 1\n"})
    build_wheel(wheels, "second", files={"second.py": "DATA = 1\n" * 500})
    build_wheel(wheels, "lazy", files={"lazy.py": "X = 1\n"})
    build_wheel(wheels, "doubted", files={"doubted.py": ""})
    names = ("first", "second", "lazy", "doubted")
    write_files(entry, {"requirements.txt": "\n".join(("--no-index", "--find-links ./wheels", *names))})

    def run(*argv):
        status = main(["imports", "svc", "--runtime", RUNTIME, "--cache-dir", str(tmp_path / "cache"), *argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_distributions_are_listed_with_what_pulls_them_in_the_largest_first(imports):
    status, out, err = imports()
    rows = {line.split()[0]: line for line in out.splitlines() if "==" in line}
    assert (status, err) == (0, "")
    assert list(rows) == ["second==1.0", "first==1.0", "doubted==1.0"]
    assert rows["second==1.0"].endswith("app.py:3 → first/__init__.py:1")
    assert "first.unused" not in out


def test_what_only_functions_import_is_a_line_and_listed_when_asked(imports):
    line = "Functions that nothing calls at start import 1 module with 0.0 KB more"
    out = imports()[1]
    assert f"{line}; --later lists them.\n" in out
    assert "lazy" not in out
    out = imports("--later")[1]
    assert f"{line}.\n" in out
    assert "lazy==1.0" in out
    assert "lazy  (line 10)  (later)" in out


def test_the_tree_is_as_deep_as_asked(imports):
    tree = imports("--depth", "1")[1].rpartition("imports it first")[2]
    assert "first" in tree
    assert "second" not in tree
    assert "imports it first" not in imports("--depth", "0")[1]


def test_json_tells_certain_from_perhaps_and_later_as_the_schema_says(imports):
    status, out, _ = imports("--format", "json")
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    assert status == 0
    assert {one["module"]: one["loaded"] for one in report["loaded"]} == {
        "app": "certain",
        "first": "certain",
        "second": "certain",
        "doubted": "perhaps",
        "lazy": "later",
    }
    assert (report["modules"], report["perhaps_modules"], report["later_modules"]) == (3, 1, 1)
    assert report["microseconds"] is None


def test_modules_of_layers_have_the_sizes_of_their_files_and_compiled_ones_none(imports, tmp_path):
    write_files(tmp_path / "layer" / "python", {"shared/__init__.py": "from . import fast\n"})
    suffix = Target.parse(RUNTIME).module_suffixes[0]
    write_files(tmp_path / "layer" / "python", {f"shared/fast{suffix}": "no source"})
    write_files(tmp_path / "svc", {"app.py": "import shared\n\ndef handler(event, context): ...\n"})
    report = json.loads(imports("--layers", "layer", "--format", "json")[1])
    jsonschema.validate(report, SCHEMA)
    rows = {one["module"]: (one["distribution"], one["source_bytes"], one["compiled"]) for one in report["loaded"]}
    assert rows["shared"] == ("layers", 19, False)
    assert rows["shared.fast"] == ("layers", 0, True)


def test_one_distribution_is_shown_with_its_chain(imports):
    out = imports("--distribution", "second")[1]
    assert "app.py:3\n  → first/__init__.py:1\n" in out
    status, _, err = imports("--distribution", "secnd")
    assert (status, "Did you mean 'second'?" in err) == (1, True)


def test_a_budget_that_is_exceeded_is_status_1_with_the_largest(imports):
    assert imports("--budget-modules", "3", "--budget-mb", "1")[0] == 0
    status, _, err = imports("--budget-modules", "2", "--budget-mb", "0.001")
    assert status == 1
    assert "error: The start loads 3 modules, 1 more than --budget-modules 2 allows." in err
    assert "The largest are second==1.0 (0.00 MB)" in err


@pytest.mark.parametrize("limit", ["-1", "nan", "inf", "few"])
def test_a_budget_is_a_number_that_can_be_exceeded(limit, imports, capsys):
    with pytest.raises(SystemExit, match="2"):
        imports("--budget-mb", limit)
    assert f"argument --budget-mb: '{limit}' isn't a number from 0 on, such as 2.5" in capsys.readouterr().err


def test_a_budget_of_time_needs_a_measurement(imports):
    with pytest.raises(SystemExit) as ended:
        imports("--budget-ms", "5")
    assert ended.value.code == 2


def test_times_are_those_of_a_real_import(imports):
    if interpreter_for(Target.parse(RUNTIME), run_process).version != (3, 13):
        pytest.skip("this host lacks python3.13")
    status, out, err = imports("--measure", "--format", "json")
    assert status == 0, err
    report = json.loads(out)
    loaded = {one["module"]: one for one in report["loaded"]}
    assert report["microseconds"] == loaded["app"]["total_microseconds"] > 0
    assert loaded["second"]["total_microseconds"] <= loaded["first"]["total_microseconds"]
    assert loaded["lazy"]["total_microseconds"] is None
    assert 0 < report["microseconds_with_bytecode"] != report["microseconds"]


def test_times_are_read_from_the_lines_of_the_module_alone():
    output = """\
import time: self [us] | cumulative | imported package
import time:        10 |         10 | json
noise
import time:         2 |          2 |   second
import time:         5 |          7 | app
import time:         1 |          1 | late
"""
    assert read_import_times(output, "app") == (("second", 2, 2), ("app", 5, 7))
    assert read_import_times(output, "other") == ()
