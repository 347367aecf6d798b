"""Names that a version's standard library doesn't have: none is said to be absent that an interpreter has."""

import json
import subprocess
from pathlib import Path

import pytest
from target.test_standard_library import VERSIONS
from this_host import require_python

import cdk_lambda_package
from cdk_lambda_package.target.standard_library import (
    _INSTEAD,
    _INSTEAD_OF_NEW,
    Absence,
    absence_of,
    alternative_to,
    has_name,
)

ROWS = [
    tuple(line.split())
    for line in Path(cdk_lambda_package.__file__)
    .with_name("target")
    .joinpath("data", "standard_names.txt")
    .read_text()
    .splitlines()
    if not line.startswith("#")
]

# What of some names a module has after all, in an interpreter that has the module.
ASK = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
found = []
for module, name in json.load(sys.stdin):
    try:
        opened = importlib.import_module(module)
    except ImportError:
        continue
    if hasattr(opened, name):
        found.append([module, name])
print(json.dumps(found))
"""


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_no_interpreter_has_what_is_said_to_be_absent(version):
    absent = [(module, name) for module, name, _ in ROWS if absence_of(module, name, version)]
    assert len(absent) > 200
    command = [require_python("python{}.{}".format(*version)), "-I", "-S", "-c", ASK]
    done = subprocess.run(command, input=json.dumps(absent), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    ("module", "name", "version", "absence"),
    [
        ("collections", "Mapping", (3, 9), None),
        ("collections", "Mapping", (3, 10), Absence(since=(3, 10))),
        ("asyncio", "coroutine", (3, 10), None),
        ("asyncio", "coroutine", (3, 14), Absence(since=(3, 11))),
        ("ast", "Num", (3, 14), Absence(since=(3, 14))),
        ("typing", "override", (3, 11), Absence(comes_with=(3, 12))),
        ("typing", "override", (3, 12), None),
        ("typing", "ParamSpec", (3, 9), Absence(comes_with=(3, 10))),
        ("cgi", "escape", (3, 12), Absence(since=(3, 8))),
        # Security releases brought these to old versions too.
        ("email.errors", "HeaderWriteError", (3, 9), None),
        ("tarfile", "data_filter", (3, 9), None),
        # What isn't known isn't absent: nearly all is there in all versions.
        ("json", "lods", (3, 13), None),
        ("os", "sys", (3, 13), None),
        ("requests", "Mapping", (3, 13), None),
        ("collection", "Mapping", (3, 13), None),
    ],
)
def test_a_name_is_absent_before_it_came_and_after_it_went(module, name, version, absence):
    assert absence_of(module, name, version) == absence


def test_a_name_is_there_for_certain_only_if_versions_differ_in_it():
    assert has_name("typing", "override", (3, 12)) is True
    assert has_name("typing", "override", (3, 11)) is False
    assert has_name("typing", "Any", (3, 11)) is None


def test_the_way_out_is_told():
    assert alternative_to("collections", "Mapping", Absence(since=(3, 10))) == "Import it from collections.abc."
    assert alternative_to("typing", "override", Absence(comes_with=(3, 12))).startswith("Require typing_extensions")
    assert "whatsnew/3.13.html" in alternative_to("locale", "resetlocale", Absence(since=(3, 13)))
    assert "catch ImportError" in alternative_to("itertools", "batched", Absence(comes_with=(3, 12)))


def test_each_way_out_belongs_to_a_name_that_is_absent_somewhere():
    known = {f"{module}.{name}" for module, name, _ in ROWS} | {module for module, _, _ in ROWS}
    assert {*_INSTEAD, *_INSTEAD_OF_NEW} <= known
