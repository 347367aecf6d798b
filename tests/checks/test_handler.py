"""The function that Lambda calls: which one it is, and whether it can be called."""

import subprocess
import sys
from dataclasses import replace

import pytest
from entries import package_request, unpack, write_files
from package_contents import package_contents

from cdk_lambda_package import package
from cdk_lambda_package.checks.handler import check as check_handler
from cdk_lambda_package.checks.handler import describe_candidates
from cdk_lambda_package.errors import FindingsError, OptionError
from cdk_lambda_package.handlers import default_handler, module_name, read_handler, split_handler
from cdk_lambda_package.import_analysis.reader import read_module


def choose(source):
    facts = read_module(source.encode(), (3, 13))
    return default_handler(facts.names, facts.chalice_apps)


def doubt(source):
    return describe_candidates(read_module(source.encode(), (3, 13)), "app.py")


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
        ("from chalice import Chalice\nclass Shop(Chalice): ...\nshop = Shop(app_name='x')\n", "shop"),
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
    assert choose(source) is None
    assert doubt(source).startswith(
        "app.py has no handler: it binds none of handler, lambda_handler and no Chalice app"
    )


@pytest.mark.parametrize(
    "source",
    [
        "def handler(e, c): ...\ndef lambda_handler(e, c): ...\n",
        "from chalice import Chalice\napp = Chalice('x')\ndef handler(e, c): ...\n",
        "from chalice import Chalice\na = Chalice('x')\nb = Chalice('y')\n",
    ],
)
def test_of_several_candidates_none_is_chosen(source):
    assert choose(source) is None
    assert doubt(source).startswith("app.py has several handlers, ")


@pytest.mark.parametrize(
    "source",
    ["from x import *\n", "def __getattr__(name): ...\n", "globals()[x] = y\n", "this is no Python\n", "def f(:\n"],
)
def test_where_names_cant_be_known_any_given_one_is_taken(source):
    contents = replace(package_contents({"app.py": source}), handler="anything")
    assert list(check_handler(contents)) == []
    assert doubt(source) == (
        "The handler in app.py can't be determined without running it. Set handler= to the name of the function to call."
    )


def test_a_module_of_many_names_shows_as_many_as_one_may_want_to_read():
    assert "it defines n10, n11," in (text := doubt("\n".join(f"n{number} = 1" for number in range(10, 40))))
    assert "n29 and 10 more." in text


def test_a_dotted_handler_is_a_module_and_a_name():
    assert split_handler("pkg.mod.fn") == ("pkg/mod.py", "fn")
    assert split_handler("fn") == (None, "fn")
    assert split_handler("my-svc/2.fn") == ("my-svc/2.py", "fn")


@pytest.mark.parametrize(
    "handler", ["", "a-b", "app.py:handler", ".handler", "app..handler", "1x", "my svc.app.handler"]
)
def test_what_cant_be_a_function_is_an_error_that_shows_the_form(handler):
    with pytest.raises(OptionError, match=r"such as 'handler', or the module's dotted path"):
        split_handler(handler)


def test_a_module_is_named_as_lambda_imports_it():
    assert module_name("inner/custom.py") == "inner.custom"
    assert module_name("pkg/__init__.py") == "pkg"


def test_the_options_name_a_module_and_a_function_together_or_apart():
    assert read_handler(None, None) == (None, None)
    assert read_handler("api/main.py", "run") == ("api/main.py", "run")
    assert read_handler(None, "api.main.run") == ("api/main.py", "run")
    assert read_handler("api/__init__.py", "api.run") == ("api/__init__.py", "run")
    assert read_handler("app.py", "*") == ("app.py", "*")


def test_two_modules_are_one_too_many():
    with pytest.raises(OptionError, match=r"index 'app\.py' and handler= name two modules.*'api/main\.py'"):
        read_handler("app.py", "api.main.run")


def test_a_folder_that_no_import_statement_could_name_is_no_hindrance_to_lambda(tmp_path, store):
    entry = write_files(
        tmp_path / "entry", {"my-svc/app.py": "from . import text\n\ndef handler(e, c):\n    return text.A\n"}
    )
    write_files(entry, {"my-svc/text.py": "A = 'answer'\n"})
    request = package_request(entry=entry, runtime="python3.13", handler="my-svc.app.handler")
    made = package(request, lambda _: tmp_path / "out.zip", store=store)
    assert made.findings == ()
    # What the official runtime client makes of it.
    code = "from awslambdaric.bootstrap import _get_handler; print(_get_handler('my-svc.app.handler')({}, None))"
    folder = unpack(made.path, tmp_path / "unpacked")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "answer", done.stderr


# What the checks say of a package.


@pytest.fixture
def find(tmp_path, store):
    """Package an app, and return the findings about its handler."""

    def find(app, files=None, **options):
        entry = write_files(tmp_path / "entry", {"app.py": app, **(files or {})})
        request = package_request(entry=entry, runtime="python3.13", **options)
        try:
            found = package(request, store=store).findings
        except FindingsError as error:
            found = error.findings
        return [finding for finding in found if finding.id.startswith("handler-")]

    return find


def test_a_handler_that_isnt_there_is_an_error_with_those_that_are_and_the_nearest(find):
    [finding] = find("def handle(e, c): ...\nx = 1\n", handler="handler")
    assert (finding.id, finding.path) == ("handler-not-found", "app.py")
    assert finding.message == "handler 'handler' is not defined in app.py; it defines handle, x. Did you mean 'handle'?"


def test_a_dotted_handler_is_looked_for_in_its_module(find):
    [finding] = find("def handler(e, c): ...\n", {"api/main.py": "def handle(e, c): ...\n"}, handler="api.main.run")
    assert "handler 'run' is not defined in api/main.py" in finding.message


@pytest.mark.parametrize(
    ("app", "line", "reason"),
    [
        ("import x\n\nasync def handler(event, context): ...\n", 3, "is a coroutine function"),
        ("def handler(): ...\n", 1, "can't be called with two positional arguments"),
        ("handler = lambda event: event\n", 1, "can't be called with two positional arguments"),
        ("class handler:\n    def __init__(self): ...\n", 1, "can't be called with two positional arguments"),
        ("import json as handler\n", 1, "is a module"),
        ("handler = 'chalicelib.api.handler'\n", 1, "is a value"),
        ("async def main(event, context): ...\n\nhandler = main\n", 3, "is a coroutine function"),
    ],
)
def test_what_lambda_cant_call_is_an_error_with_its_line(find, app, line, reason):
    [finding] = find(app)
    assert (finding.id, finding.path, finding.line) == ("handler-not-callable", "app.py", line)
    assert finding.message.startswith(f"handler 'handler' {reason}")


ASYNC = "async def handler(e, c): ...\n"


@pytest.mark.parametrize(
    ("app", "files"),
    [
        ("from chalicelib.api import handler", {"chalicelib/api.py": ASYNC}),
        ("from chalicelib.api import main as handler", {"chalicelib/api.py": "main = 1\n"}),
        ("from chalicelib import handler", {"chalicelib/__init__.py": "from .api import handler\n", "chalicelib/api.py": ASYNC}),
        ("from chalicelib import handler", {"chalicelib/__init__.py": "", "chalicelib/handler.py": ""}),
        ("from chalicelib import handler", {"chalicelib/handler.py": ""}),
        ("from own.api import handler", {"vendor/own/__init__.py": "", "vendor/own/api.py": ASYNC}),
    ],
)  # fmt: skip
def test_an_imported_handler_is_followed_to_where_it_is_defined(find, app, files):
    [finding] = find(app, files)
    assert (finding.id, finding.path, finding.line) == ("handler-not-callable", "app.py", 1)


def test_a_handler_in_a_package_is_followed_relatively(find):
    files = {"api/__init__.py": "", "api/main.py": "from .tasks import handler\n", "api/tasks.py": ASYNC}
    [finding] = find("", files, index="api/main.py")
    assert (finding.id, finding.path) == ("handler-not-callable", "api/main.py")


@pytest.mark.parametrize(
    ("app", "files"),
    [
        ("def handler(event, context): ...", {}),
        ("def handler(*args): ...", {}),
        ("class handler:\n    def __init__(self, event, context): ...", {}),
        ("class handler(Base): ...", {}),
        ("@decorate\nasync def handler(e, c): ...", {}),
        ("@decorate\ndef handler(): ...", {}),
        ("handler = Mangum(app)", {}),
        ("handler = partial(main, 1)", {}),
        ("from functools import wraps as handler", {}),
        ("if x:\n    handler = None\nelse:\n    def handler(e, c): ...", {}),
        ("from chalicelib.api import handler", {"chalicelib/api.py": "def handler(e, c): ..."}),
        ("from chalicelib.a import handler", {"chalicelib/a.py": "from chalicelib.b import handler",
                                              "chalicelib/b.py": "from chalicelib.a import handler"}),
        ("from chalice import Chalice\napp = Chalice('x')", {}),
    ],
)  # fmt: skip
def test_what_may_be_called_is_no_finding(find, app, files):
    assert find(app, files, provided=["chalice"]) == []


@pytest.mark.parametrize("app", ["from x import *", "globals()['run'] = 1", "def f():\n    global run"])
def test_what_may_be_defined_is_no_finding(find, app):
    assert find(app, handler="run") == []


def test_a_handler_may_come_by_a_star_import_of_ones_own_module(find):
    files = {
        "chalicelib/all.py": "from chalicelib.more import *\ndef walk(e, c): ...\n",
        "chalicelib/more.py": "def run(e, c): ...\n",
    }
    assert find("from chalicelib.all import *", files, handler="run") == []
    [finding] = find("from chalicelib.all import *", files, handler="rum")
    assert finding.message == "handler 'rum' is not defined in app.py; it defines run, walk. Did you mean 'run'?"


def test_several_candidates_or_none_are_a_warning_that_says_what_to_set(find):
    [several] = find("def handler(e, c): ...\ndef lambda_handler(e, c): ...\n")
    [none] = find("def main(e, c): ...\n")
    assert several.id == none.id == "handler-unknown"
    assert several.severity == "warning"
    assert "several handlers, handler and lambda_handler" in several.message
    assert "it defines main. Set handler=" in none.message


def test_code_that_functions_share_has_no_handler_of_its_own(find):
    assert find("async def handler(e, c): ...\n", handler="*") == []
    assert find("def main(e, c): ...\n", handler="*") == []


def test_of_a_module_that_cant_be_compiled_no_handler_is_expected(find):
    assert find("def main(e, c)\n", handler="handler") == []


def test_what_a_package_calls_is_known_the_next_time_too(tmp_path, store):
    entry = write_files(tmp_path / "entry", {"app.py": "def handler(e, c): ...\nx = 1\n"})
    request = package_request(entry=entry, runtime="python3.13")
    for _ in range(2):
        made = package(request, store=store)
        assert (made.handler, made.handler_names) == ("handler", ("handler", "x"))
