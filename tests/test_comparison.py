"""The table of docs/explanation/comparison.md is that of benchmarks/behaviours.py, and this package's column is tried again.

`make compare` tries all tools.
"""

import re
import sys
from dataclasses import replace

import pytest
from offline import ROOT
from this_host import find_python

from benchmarks.behaviours import BEHAVIOURS, TABLE, TOOLS, Behaviour, Bench
from benchmarks.environments import Tools

PAGE = ROOT / "docs" / "explanation" / "comparison.md"


def rows() -> dict[str, list[str]]:
    """Return the cells of each row of the page, by its title."""
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    lines = [line for line in found[1].splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {title: row for title, *row in cells}


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A bench whose only tool is this package, as it is installed for the tests."""
    if find_python("python3.13") is None:
        pytest.skip("this host lacks python3.13, for which the page's packages are")
    program = tmp_path / "tools" / "ours" / "bin" / "cdk-lambda-package"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cdk_lambda_package "$@"\n')
    program.chmod(0o755)
    return Bench(tools=Tools(tmp_path / "tools"), root=tmp_path / "work", runtime="python3.13")


def test_the_page_has_each_behaviour_with_a_cell_for_each_tool():
    assert [behaviour.title for behaviour in BEHAVIOURS] == list(rows())
    assert {len(row) for row in rows().values()} == {len(TOOLS)}


@pytest.mark.thorough
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: one.title)
def test_this_package_does_what_the_page_says(behaviour, bench):
    assert first_cell(bench, behaviour) == rows()[behaviour.title][0]


def test_a_row_is_told_from_a_run(bench):
    """One of the quick ones, in the default suite."""
    (behaviour,) = (one for one in BEHAVIOURS if "`libGL.so.1`" in one.title)
    assert first_cell(bench, behaviour) == rows()[behaviour.title][0] == "error, with the library and the file"


def first_cell(bench: Bench, behaviour: Behaviour) -> str:
    """Return what is told of this package alone."""
    others = dict.fromkeys(TOOLS[1:], "")
    return next(bench.cells(replace(behaviour, untried=others)))
