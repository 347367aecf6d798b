"""Finding the function that Lambda calls, without running anything."""

import pytest

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.handler import choose_handler, name_module, read_bound_names, split_handler


def choose(source, handler=None):
    return choose_handler(read_bound_names(source.encode()), handler, index="app.py")


@pytest.mark.parametrize(
    ("source", "handler"),
    [
        ("import chalice\napi = chalice.Chalice('x')\n", "api"),
        ("from chalice import Chalice as C\nx = C('x')\n", "x"),
        ("from chalice import Chalice\nx: Chalice = Chalice('x')\n", "x"),
        ("if 1:\n    from chalice import Chalice\n    x = Chalice('x')\n", "x"),
        ("def lambda_handler(e, c): ...\n", "lambda_handler"),
        ("async def handler(e, c): ...\n", "handler"),
        ("class handler: ...\n", "handler"),
        ("handler = lambda e, c: e\n", "handler"),
        ("handler: object = print\n", "handler"),
        ("from mangum import Mangum\nhandler = Mangum(None)\n", "handler"),
        ("from api import main as handler\n", "handler"),
        ("a, (handler, *b) = 1, (2, 3)\n", "handler"),
        ("try:\n    from x import handler\nexcept ImportError:\n    def handler(e, c): ...\n", "handler"),
        ("try:\n    pass\nexcept ImportError:\n    pass\nelse:\n    handler = 1\n", "handler"),
        ("with open('x') as handler:\n    pass\n", "handler"),
        ("for handler in []:\n    pass\n", "handler"),
        ("if (handler := 1):\n    pass\n", "handler"),
        ("print([handler := i for i in ()])\n", "handler"),
        ("match 1:\n    case {'a': 1, **handler}: pass\n", "handler"),
        ("match 1:\n    case [1, *handler]: pass\n", "handler"),
        ("match 1:\n    case int() as handler: pass\n", "handler"),
    ],
)
def test_the_only_candidate_is_the_handler_wherever_its_name_is_bound(source, handler):
    assert choose(source) == handler


@pytest.mark.parametrize(
    "source",
    [
        "def main(e, c):\n    handler = 1\n",
        "class A:\n    handler = 1\n",
        "a.handler = 1\n",
        "handler: object\n",
        "x = [handler for handler in ()]\n",
        "x = lambda handler: handler\n",
        "",
    ],
)
def test_what_binds_nothing_at_the_top_level_is_no_candidate(source):
    with pytest.raises(OptionError, match=r"app\.py has no handler.*Set handler="):
        choose(source)


@pytest.mark.parametrize(
    "source",
    [
        "def handler(e, c): ...\ndef lambda_handler(e, c): ...\n",
        "from chalice import Chalice\napp = Chalice('x')\ndef handler(e, c): ...\n",
        "from chalice import Chalice\na = Chalice('x')\nb = Chalice('y')\n",
    ],
)
def test_several_candidates_are_an_error_that_lists_them(source):
    with pytest.raises(OptionError, match=r"app\.py has several handlers, \w+ and \w+\. Set handler="):
        choose(source)


@pytest.mark.parametrize(
    "source",
    ["from x import *\n", "def __getattr__(name): ...\n", "this is no Python\n", "def f(:\n"],
)
def test_where_names_cant_be_known_any_given_one_is_taken(source):
    assert choose(source, "anything") == "anything"
    with pytest.raises(OptionError, match="can't be told without running it"):
        choose(source)


def test_a_given_name_that_isnt_bound_is_an_error_with_those_that_are():
    with pytest.raises(OptionError, match=r"'run' is not defined in app\.py; it defines api, main"):
        choose("def main(): ...\napi = 1\n", "run")


def test_a_dotted_handler_is_a_module_and_a_name():
    assert split_handler("pkg.mod.fn") == ("pkg/mod.py", "fn")
    assert split_handler("fn") == (None, "fn")


@pytest.mark.parametrize("handler", ["", "a-b", "app.py:handler", ".handler", "app..handler", "1x"])
def test_what_cant_be_a_function_is_an_error_that_shows_the_form(handler):
    with pytest.raises(OptionError, match=r"such as 'handler', or the module's dotted path"):
        split_handler(handler)


def test_a_module_is_named_as_lambda_imports_it():
    assert name_module("inner/custom.py") == "inner.custom"
    assert name_module("pkg/__init__.py") == "pkg"
