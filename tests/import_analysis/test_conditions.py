"""Conditions that are known before a module runs on Lambda."""

import textwrap

import pytest

from cdk_lambda_package.import_analysis.reader import read_module

PYTHON = (3, 12)


def evaluate(condition, before="", python=PYTHON):
    """Tell what is known of a condition by what becomes of an import under it."""
    imports = read_module(f"{before}\nif {condition}:\n    import under_it\n".encode(), python).imports
    found = [statement for statement in imports if statement.module == "under_it"]
    return found[0].certain or None if found else False


HOLD = """
True
1
not 0
__debug__
not TYPE_CHECKING
not typing.TYPE_CHECKING
sys.version_info >= (3,)
sys.version_info > (3, 12)
sys.version_info >= (3, 9, 1)
(3, 9) <= sys.version_info < (3, 13)
sys.version_info[:2] == (3, 12)
sys.version_info[0:2] != (3, 11)
sys.version_info[:1] == (3,)
sys.version_info[:3] > (3, 9, 7)
sys.version_info[0] == 3
sys.version_info[1] >= 10
sys.version_info.major == 3 and sys.version_info.minor > 8
sys.version_info.minor in (11, 12)
sys.platform == "linux"
sys.platform.startswith("linux")
sys.platform.startswith(("linux", "darwin"))
"linux" in sys.platform
sys.platform in ("linux", "linux2")
sys.platform not in {"win32", "cygwin"}
os.name == "posix"
os.name != "nt"
platform.system() == "Linux"
platform.python_implementation() == "CPython"
sys.implementation.name == "cpython"
sys.maxsize > 4294967296
not hasattr(sys, "pypy_version_info")
not getattr(sys, "frozen", False)
six.PY3
not six.PY2
__name__ != "__main__"
os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
os.environ["LAMBDA_TASK_ROOT"]
os.getenv("AWS_EXECUTION_ENV") is not None
"AWS_LAMBDA_FUNCTION_NAME" in os.environ
False or sys.platform == "linux" or anything
(sys.platform == "linux")
platform.python_version_tuple() >= ("3",)
platform.python_version_tuple() < ("3", "8")
platform.python_version_tuple()[0] == "3"
""".strip().splitlines()

FAIL = """
False
0
None
TYPE_CHECKING
typing.TYPE_CHECKING
TYPE_CHECKING and anything
anything and TYPE_CHECKING
sys.version_info < (3,)
sys.version_info <= (3, 12)
sys.version_info == (3, 12)
sys.version_info == 3
sys.version_info < (3, 8) or sys.version_info[0] == 2
sys.version_info >= (3, 13)
sys.version_info[:2] >= (3, 14)
sys.version_info[0] < 3
sys.version_info.minor < 9
sys.platform == "win32"
sys.platform.startswith("win")
sys.platform in ["darwin", "win32"]
"win" in sys.platform
os.name == "nt"
platform.system() == "Windows"
platform.system() in ("Darwin", "Windows")
platform.python_implementation() == "PyPy"
hasattr(sys, "pypy_version_info")
hasattr(sys, "getwindowsversion") and False
six.PY2
compat.IS_PY2
__name__ == "__main__"
"__main__" == __name__
os.environ.get("AWS_LAMBDA_FUNCTION_NAME") is None
not os.environ.get("AWS_REGION")
platform.python_version_tuple()[:2] == ("2", "7")
"AWS_LAMBDA_FUNCTION_NAME" not in os.environ
""".strip().splitlines()

UNKNOWN = """
anything
anything()
not anything
sys.version_info >= (3, 12, 4)
sys.version_info[:3] == (3, 12, 1)
sys.version_info[2] > 1
sys.version_info[-1]
sys.version_info > anything
sys.version_info > ("3",)
sys.platform == anything
sys.platform == f"linux{x}"
platform.machine() == "x86_64"
sys.maxsize > 2**32
os.environ.get("STAGE") == "dev"
os.environ["AWS_REGION"] == "eu-west-1"
os.environ.get("AWS_SAM_LOCAL")
"DEBUG" in os.environ
importlib.util.find_spec("orjson")
hasattr(os, "fork")
sys.stdout.isatty()
int(anything) > 1
platform.python_version_tuple()[2] == "1"
platform.python_version() < "3"
sys.version[0] == "2"
sys.hexversion < 0x03000000
__name__ == "app"
x[1:2]
""".strip().splitlines()


@pytest.mark.parametrize("condition", HOLD)
def test_what_holds_on_lambda_is_certain(condition):
    assert evaluate(condition) is True


@pytest.mark.parametrize("condition", FAIL)
def test_what_fails_on_lambda_is_dead(condition):
    assert evaluate(condition) is False


@pytest.mark.parametrize("condition", UNKNOWN)
def test_what_cant_be_known_is_neither(condition):
    assert evaluate(condition) is None


@pytest.mark.parametrize("condition", sorted({*HOLD, *FAIL}))
def test_the_opposite_branch_has_the_opposite_answer(condition):
    source = f"if {condition}:\n    pass\nelse:\n    import under_it\n"
    imports = read_module(source.encode(), PYTHON).imports
    assert [statement.certain for statement in imports] == ([True] if condition in FAIL else [])


@pytest.mark.parametrize(
    ("before", "condition", "expected"),
    [
        ("import sys as s", "s.version_info >= (3, 8)", True),
        ("from sys import version_info as v, platform", "v[0] == 3 and platform == 'linux'", True),
        ("from typing import TYPE_CHECKING as T", "T", False),
        ("import typing as t", "t.TYPE_CHECKING", False),
        ("MYPY = False", "MYPY", False),
        ("PY37 = sys.version_info >= (3, 7)", "PY37", True),
        ("WINDOWS = sys.platform == 'win32'\nPOSIX = not WINDOWS", "POSIX", True),
        ("from ._compat import PY2", "PY2", False),
        # What the module itself has another idea of, or changes later, isn't guessed at.
        ("PY2 = guess()", "PY2", None),
        ("FAST = True\nif anything:\n    FAST = False", "FAST", None),
        ("FAST = True\nFAST = anything", "FAST", None),
        ("for FAST in anything: pass", "FAST", None),
    ],
)
def test_names_stand_for_what_they_were_bound_to(before, condition, expected):
    assert evaluate(condition, before) is expected


@pytest.mark.parametrize(("python", "expected"), [((3, 9), False), ((3, 11), True), ((3, 14), True)])
def test_it_is_the_targets_version_that_counts(python, expected):
    assert evaluate("sys.version_info >= (3, 11)", python=python) is expected


def test_the_first_branch_that_holds_is_the_last_that_is_read():
    source = """
        if sys.version_info >= (3, 13):
            import newer
        elif sys.version_info >= (3, 11):
            import fitting
        elif anything:
            import unreached
        else:
            import neither
    """
    imports = read_module(textwrap.dedent(source).encode(), PYTHON).imports
    assert [(statement.module, statement.certain) for statement in imports] == [("fitting", True)]


def test_behind_a_branch_that_may_be_taken_nothing_is_certain():
    source = "if anything:\n    import a\nelif sys.platform == 'linux':\n    import b\nelse:\n    import c\n"
    imports = read_module(source.encode(), PYTHON).imports
    assert [(statement.module, statement.certain) for statement in imports] == [("a", False), ("b", False)]


LONG = " or ".join(f"anything == {number}" for number in range(2000))


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        (f"{LONG} or True", True),
        (LONG.replace(" or ", " and ") + " and False", False),
        (LONG, None),
        (f"{'not ' * 2000}True", None),
    ],
    ids=["or", "and", "undecided", "nested"],
)
def test_a_condition_may_have_thousands_of_terms(condition, known):
    assert evaluate(condition) is known


def test_a_condition_that_is_too_deep_is_undecided_and_hides_nothing_else():
    facts = read_module(
        f"import yaml\nif {'not ' * 2000}x:\n    import perhaps\ndef handler(e, c): ...".encode(), PYTHON
    )
    assert [(one.module, one.certain) for one in facts.imports] == [("yaml", True), ("perhaps", False)]
    assert facts.names == ("yaml", "perhaps", "handler")


def test_what_a_long_condition_imports_is_read_up_to_the_term_that_decides():
    imports = read_module(f"x = {LONG} or __import__('a') or True or __import__('b')".encode(), PYTHON).imports
    assert [one.module for one in imports] == ["a"]
