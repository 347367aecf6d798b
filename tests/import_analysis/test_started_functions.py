"""Functions that a module calls while it is imported: which of their imports certainly run."""

import pytest

from cdk_lambda_package.import_analysis.reader import read_module


def certain(source):
    return [one.module for one in read_module(source.encode(), (3, 13)).imports if one.certain]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import x\nf()",
        "def f():\n    from x import y\nvalue = f()",
        "import importlib\ndef f():\n    module = importlib.import_module('x')\nf()",
        "def f():\n    if wrong():\n        raise ImportError\n    def inner():\n        return 1\n    import x\nf()",
    ],
)
def test_what_a_called_function_imports_at_its_top_is_certain(source):
    assert "x" in certain(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import x",
        "f()\ndef f():\n    import x",
        "def f():\n    if g():\n        import x\nf()",
        "def f():\n    if g():\n        return\n    import x\nf()",
        "def f():\n    import x\n    yield\nf()",
        "async def f():\n    import x\nf()",
        "@lazy\ndef f():\n    import x\nf()",
        "def f():\n    import x\nf = lazy(f)\nf()",
        "def f():\n    import x\nif g():\n    f()",
        "def f():\n    import x\ntry:\n    f()\nexcept ImportError:\n    pass",
        "def f():\n    import x\nclass A:\n    f()",
        "def f():\n    try:\n        import x\n    except ImportError:\n        x = None\nf()",
    ],
)
def test_what_a_function_may_not_import_isnt_certain(source):
    facts = read_module(source.encode(), (3, 13))
    assert not any(one.certain and not one.guarded for one in facts.imports if one.module == "x")
