"""The types of Function's props are those of the installed aws-cdk-lib."""

from importlib.metadata import version

import function_props
import pytest
from offline import PACKAGE
from packaging.version import Version


def test_the_generated_module_has_the_names_and_types_of_the_installed_library():
    module = (PACKAGE / "cdk" / function_props.MODULE.name).read_text(encoding="utf-8")
    release = module.partition("aws-cdk-lib ")[2].partition(". ")[0]
    if Version(version("aws-cdk-lib")) < Version(release):
        pytest.skip(f"the module is written from aws-cdk-lib {release}, which is newer than the installed one")
    _, _, expected = function_props.module_text().partition("from __future__")
    _, _, written = module.partition("from __future__")
    assert written == expected, "run `python tools/function_props.py`"


def test_the_props_that_python_function_declares_itself_are_not_among_them():
    assert not {"code", "handler", "runtime", "architecture", "layers"} & function_props.function_props().keys()
    assert {"memory_size", "timeout", "environment"} <= function_props.function_props().keys()
