"""Attributes that the standard library lost, read while a module is imported."""

import pytest
from package_contents import package_contents

from cdk_lambda_package.checks.imports import check

PREFIX = "import asyncio, collections, inspect, logging, unittest\n"


def found(source, runtime="python3.13", **files) -> list[str]:
    """Return the finding's severity and the names that are missing for certain."""
    package = package_contents({"app.py": PREFIX + source, "vendor: there.py": "", **files}, runtime=runtime)
    return [f"{one.id} {one.message.split()[0]}" for one in check(package)]


@pytest.mark.parametrize(
    "source",
    [
        "class A(collections.Mapping): pass",
        "x = collections.Mapping",
        "def f(x=collections.Mapping): pass",
        "def f(x: collections.Mapping): pass",
        "class A:\n    x: dict = {1: [collections.Mapping]}",
        "isinstance({}, (dict, collections.Mapping))",
        "x = True and collections.Mapping",
        "if True:\n    x = collections.Mapping",
        "import collections as c\nx = c.Mapping",
        "try:\n    x = collections.Mapping\nexcept ValueError:\n    pass",
        "try:\n    x = collections.Mapping\nexcept AttributeError:\n    raise",
        "x = f(collections.Mapping.register)",
        "try:\n    import there\n    x = collections.Mapping\nexcept ImportError:\n    pass",
        "try:\n    import collections as c\n    x = c.Mapping\nexcept ImportError:\n    c = None",
    ],
)
def test_an_attribute_that_is_lost_is_an_error(source):
    assert found(source) == ["name-not-found 'Mapping'"]
    assert found(source, runtime="python3.9") == []


def test_a_decorator_that_is_lost_is_an_error():
    assert found("@asyncio.coroutine\ndef f(): pass") == ["name-not-found 'coroutine'"]
    assert found("@asyncio.coroutine\ndef f(): pass", runtime="python3.10") == []


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return collections.Mapping",
        "f = lambda: collections.Mapping",
        "if hasattr(collections, 'Mapping'):\n    x = collections.Mapping",
        "x = getattr(collections, 'Mapping', None)",
        "x = collections.Mapping if hasattr(collections, 'Mapping') else 1",
        "try:\n    x = collections.Mapping\nexcept AttributeError:\n    x = 1",
        "try:\n    x = collections.Mapping\nexcept Exception:\n    x = 1",
        "try:\n    x = collections.Mapping\nexcept:\n    x = 1",
        "collections.Mapping = 1\nx = collections.Mapping",
        "collections = object()\nx = collections.Mapping",
        "class A:\n    collections = object()\n    x = collections.Mapping",
        "try:\n    import collections.abc as c\nexcept ImportError:\n    import collections as c\nx = c.Mapping",
        "from __future__ import annotations\ndef f(x: collections.Mapping): pass",
        "collections.Unknown",
        "try:\n    import gone\n    x = collections.Mapping\nexcept ImportError:\n    pass",
        "try:\n    import collections as c\nexcept ImportError:\n    c = None\nx = c.Mapping",
        "logging.warn('x')",
    ],
)
def test_an_attribute_that_may_be_there_or_isnt_read_is_none(source):
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = f() or collections.Mapping",
        "x = collections.Mapping if f() else 1",
        "x = [collections.Mapping for y in f()]",
        "if f():\n    x = collections.Mapping",
        "for y in f():\n    x = collections.Mapping",
        "assert f(), collections.Mapping",
        "try:\n    f()\n    x = collections.Mapping\nexcept ImportError:\n    pass",
        "try:\n    import tkinter\n    x = collections.Mapping\nexcept ImportError:\n    pass",
        "with suppress(ImportError):\n    x = collections.Mapping",
    ],
)
def test_an_attribute_that_may_be_read_is_a_warning_in_the_app(source):
    assert found(source) == ["import-uncertain 'Mapping'"]
    assert found("import lib", **{"vendor: lib.py": PREFIX + source}) == []


def test_a_module_of_that_name_in_the_package_may_have_the_attribute():
    assert found("x = inspect.getargspec", **{"inspect.py": "getargspec = 1"}) == []


def test_a_fallback_for_a_lost_attribute_runs():
    source = "try:\n    x = collections.Mapping\nexcept AttributeError:\n    import gone"
    assert found(source) == ["import-not-found 'gone'"]
    assert found(source, runtime="python3.9") == ["import-uncertain 'gone'"]


def test_a_module_that_another_one_completes_is_not_blamed():
    source = "import patch, lib"
    files = {
        "vendor: patch.py": "import collections\ncollections.Mapping = 1",
        "vendor: lib.py": PREFIX + "collections.Mapping",
    }
    assert found(source, **files) == []
