"""The types of Function's props are those of the installed aws-cdk-lib."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import function_props

    yield function_props
    del sys.modules["function_props"]


@pytest.fixture
def module() -> str:
    return (TOOLS.parent / "cdk_lambda_package" / "cdk" / "function_props.py").read_text(encoding="utf-8")


def test_the_generated_module_has_the_names_and_types_of_the_installed_library(tool, module):
    release = module.partition("aws-cdk-lib ")[2].partition(". ")[0]
    if Version(version("aws-cdk-lib")) < Version(release):
        pytest.skip(f"the module is written from aws-cdk-lib {release}, which is newer than the installed one")
    _, _, expected = tool.module_text().partition("from __future__")
    _, _, written = module.partition("from __future__")
    assert written == expected, "run `python tools/function_props.py`"


def test_the_props_that_python_function_declares_itself_are_not_among_them(tool):
    assert not {"code", "handler", "runtime", "architecture", "layers"} & tool.function_props().keys()
    assert {"memory_size", "timeout", "environment"} <= tool.function_props().keys()
