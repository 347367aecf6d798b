"""The function that Lambda calls: which one it is, and whether it can be called."""

import subprocess
import sys
from dataclasses import replace

import pytest
from entries import names_in, package_request, unpack, write_files
from native import elf
from package_contents import package_contents
from this_host import HOST
from wheel_factory import build_wheel

from cdk_lambda_package import package
from cdk_lambda_package.checks.handler import check as check_handler
from cdk_lambda_package.checks.handler import describe_candidates, find_candidates
from cdk_lambda_package.errors import EntryError, FindingsError, OptionError
from cdk_lambda_package.handlers import (
    OwnModule,
    find_own_module,
    module_name,
    modules_started,
    read_handler,
    split_handler,
)


def choose(source, files=None, index="app.py"):
    candidates = find_candidates(package_contents({index: source, **(files or {})}, index=index).imports, index)
    return candidates[0] if len(candidates) == 1 else None


def doubt(source):
    return describe_candidates(package_contents({"app.py": source}).imports, "app.py")


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
        "from chalice import Chalice\napi = Chalice('x')\ndef handler(e, c): ...\n",
        "from chalice import Chalice\na = Chalice('x')\nb = Chalice('y')\n",
    ],
)
def test_of_several_candidates_none_is_chosen(source):
    assert choose(source) is None
    assert doubt(source).startswith("app.py has several handlers, ")


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import logging\nhandler = logging.StreamHandler()\ndef lambda_handler(e, c): ...\n", {}),
        ("from logging import StreamHandler\nhandler = StreamHandler()\ndef lambda_handler(e, c): ...\n", {}),
        ("def handler(event): ...\ndef lambda_handler(e, c): ...\n", {}),
        ("from chalicelib import handler\ndef lambda_handler(e, c): ...\n", {"chalicelib/handler.py": ""}),
        ("handler = None\ndef lambda_handler(e, c): ...\n", {}),
    ],
)
def test_of_several_candidates_those_that_lambda_cant_call_are_none(source, files):
    assert choose(source, files) == "lambda_handler"


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
    assert "it defines n10, n11," in (text := doubt("\n".join(f"def n{number}(e, c): ..." for number in range(10, 40))))
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


CHALICE_APP = "from chalice import Chalice\napp = Chalice('x')\ndef handler(event, context): ...\n"
SHOP = "import chalice\nclass Shop(chalice.Chalice): ...\n"


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("from chalicelib import app, handler\n", {"chalicelib/__init__.py": CHALICE_APP}),
        ("from chalice import Chalice\napp = Chalice('x')\n@app.route('/')\ndef handler(): ...\n", {}),
        ("from chalice import Chalice\napp = Chalice('x')\nlambda_handler = app\nadmin = Chalice('y')\n", {}),
        ("from chalicelib.factory import make_app\napp = make_app()\n",
         {"chalicelib/factory.py": "from chalice import Chalice\ndef make_app():\n    return Chalice('x')\n"}),
        ("from chalicelib.api import app\n", {"chalicelib/api.py": CHALICE_APP}),
        ("from chalicelib.api import *\n", {"chalicelib/api.py": CHALICE_APP}),
        ("from chalicelib.api import *\n",
         {"chalicelib/api.py": "from chalicelib.base import *\n", "chalicelib/base.py": CHALICE_APP}),
        ("from chalicelib.base import Shop\napp = Shop('x')\n", {"chalicelib/base.py": SHOP}),
        ("from company import Shop\napp = Shop('x')\n", {"vendor: company.py": SHOP}),
        ("import chalice\nfrom company import *\n@app.route('/')\ndef index(): ...\n", {}),
        ("from company import Shop\napp = Shop('x')\n",
         {"chalice==1.34.0: chalice/__init__.py": "", "company==1.0: company.py": ""}),
    ],
)  # fmt: skip
def test_an_app_that_uses_chalice_is_served_by_its_app(source, files):
    assert choose(source, files) == "app"


def test_chalice_as_a_requirement_alone_doesnt_decide_between_app_and_a_usual_name():
    files = {"chalice==1.34.0: chalice/__init__.py": ""}
    assert choose("app = FastAPI()\nhandler = Mangum(app)\n", files) is None
    assert choose("handler = Mangum(FastAPI())\n", files) == "handler"


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("app = FastAPI()\nhandler = Mangum(app)\n", {}),
        ("import chalice\nfrom chalicelib import app, handler\n",
         {"chalicelib/app.py": "", "chalicelib/__init__.py": "def handler(e, c): ..."}),
        ("'''\nfrom chalice import Chalice\n'''\napp = FastAPI()\nhandler = Mangum(app)\n", {}),
        ("from chalice import Response\ndef handler(e, c): ...\n", {}),
    ],
)  # fmt: skip
def test_an_app_of_another_kind_is_no_candidate(source, files):
    assert choose(source, files) == "handler"


def test_chalice_that_is_imported_for_its_responses_alone_doesnt_make_an_app():
    source = "from chalice import Response\napp = FastAPI()\nhandler = Mangum(app)\n"
    assert choose(source) == "handler"
    assert choose(source, {"chalice==1.34.0: chalice/__init__.py": ""}) is None


VIEW = "from chalice import Chalice\napi = Chalice('x')\n@api.route('/')\ndef handler(): ...\n"


def test_a_view_function_of_a_chalice_app_is_no_candidate():
    assert choose(VIEW) == choose(VIEW, index="api.py") == "api"
    assert choose(VIEW.replace("route('/')", "on_ws_message()")) == "api"
    # Another function of Lambda, with an event and a context.
    assert choose(VIEW.replace("route('/')", "lambda_function()")) is None
    assert choose(VIEW.replace("Chalice", "Flask").replace("chalice", "flask")) == "handler"


def test_an_imported_chalice_app_is_a_candidate_under_any_name():
    files = {"chalicelib/api.py": CHALICE_APP}
    assert choose("from chalicelib.api import app as application\n", files) == "application"
    assert choose("from chalicelib.api import app\n", files, index="main.py") == "app"


def test_in_another_module_than_app_py_a_chalice_app_is_one_candidate_among_others():
    assert choose(CHALICE_APP, index="api/main.py") is None


DEFINITIONS = """
import json
from os.path import join
TABLE = "orders"
logger = make_logger()
class Order: ...
async def fetch(event, context): ...
def parse(text): ...
def run(event, context): ...
@trace
def walk(event, context): ...
"""


def test_the_functions_that_could_be_the_handler_are_listed_without_imports_and_constants():
    assert "it defines run, walk. Set handler=" in doubt(DEFINITIONS)


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
    assert finding.message == "handler 'handler' is not defined in app.py; it defines handle. Did you mean 'handle'?"


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
        ("import logging\nhandler = logging.StreamHandler()\n", 2, "is a value"),
    ],
)
def test_what_lambda_cant_call_is_an_error_with_its_line(find, app, line, reason):
    [finding] = find(app)
    assert (finding.id, finding.path, finding.line) == ("handler-not-callable", "app.py", line)
    assert finding.message.startswith(f"handler 'handler' {reason}")


def test_a_view_function_of_chalice_cant_be_called_by_lambda(find):
    [finding] = find(VIEW.replace("handler", "index"), handler="index", provided=["chalice"])
    assert (finding.id, finding.path, finding.line) == ("handler-not-callable", "app.py", 4)
    assert "is a view function, which Chalice calls" in finding.message


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
    assert finding.message == (
        "handler 'rum' is not defined in app.py; it defines no function that could be called. Did you mean 'run'?"
    )


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


# Handlers outside of the app's own module: in a requirement, in vendor/, in a layer, in a script.

WRAPPER = {
    "tracer/__init__.py": "",
    "tracer/handler.py": "import os\nfrom importlib import import_module\nmodule, name = os.environ['TRACED'].split('.')\n"
    "handler = getattr(import_module(module), name)\n",
}
ARN = "arn:aws:lambda:eu-west-1:464622532012:layer:Tracer:100"


@pytest.fixture
def make(tmp_path, store):
    """Package an app whose requirements are wheels made here; return the package, or the findings of an error."""

    def make(files, *wheels, **options):
        for name, content in wheels:
            build_wheel(tmp_path / "wheels", name, files=content)
        if wheels:
            names = "".join(f"{name}\n" for name, _ in wheels)
            files = {**files, "requirements.txt": f"--no-index\n--find-links {tmp_path / 'wheels'}\n{names}"}
        entry = write_files(tmp_path / "entry", files)
        options = {"runtime": HOST, "acknowledge": ["requirements-not-locked"], **options}
        try:
            return package(package_request(entry=entry, **options), lambda _: tmp_path / "out.zip", store=store)
        except FindingsError as error:
            return list(error.findings)

    return make


def test_a_handler_of_a_requirement_is_called_there_and_the_app_is_packaged(make):
    made = make({"app.py": "def run(e, c): ...\n"}, ("tracer", WRAPPER), handler="tracer.handler.handler")
    assert (made.findings, made.index, made.function_handler) == ((), "app.py", "tracer.handler.handler")
    assert {"app.py", "tracer/handler.py"} <= set(names_in(made.path))


def test_the_apps_own_module_may_be_named_beside_a_handler_of_a_requirement(make):
    files = {"api/__init__.py": "", "api/main.py": "import nowhere\n"}
    [finding] = make(files, ("tracer", WRAPPER), index="api/main.py", handler="tracer.handler.handler")
    assert (finding.id, finding.path) == ("import-not-found", "api/main.py")


@pytest.mark.parametrize("place", ["vendor", "layer/python"])
def test_a_handler_may_be_in_vendor_or_in_a_layer(make, tmp_path, place):
    wrapper = {f"{place}/{path}": text for path, text in WRAPPER.items()}
    layers = [str(tmp_path / "entry" / "layer")] if place != "vendor" else []
    made = make({"app.py": "def run(e, c): ...\n", **wrapper}, layers=layers, handler="tracer.handler.handler")
    assert (made.findings, made.function_handler) == ((), "tracer.handler.handler")


def test_imports_are_followed_from_a_handler_in_vendor_too(make):
    files = {"app.py": "", "vendor/tracer/handler.py": "import nowhere\ndef handler(e, c): ...\n"}
    [finding] = make(files, handler="tracer.handler.handler")
    assert (finding.id, finding.path) == ("import-not-found", "vendor/tracer/handler.py")


def test_a_project_that_is_required_may_have_the_handler_and_the_app_no_module_of_its_own(make):
    wheel = {"orders/__init__.py": "", "orders/main.py": "def handler(e, c): ...\n"}
    made = make({"src/orders/main.py": "def handler(e, c): ...\n"}, ("orders", wheel), handler="orders.main.handler")
    assert (made.findings, made.index, made.function_handler) == ((), "", "orders.main.handler")
    [finding] = make({}, ("orders", wheel), handler="orders.main.handlr")
    assert "handler 'handlr' is not defined in orders/main.py; it defines handler. Did you mean" in finding.message


def test_a_handler_whose_module_is_nowhere_is_an_error_with_the_fix(make):
    [finding] = make({"app.py": "def run(e, c): ...\n"}, handler="yaml.handler.handler")
    assert finding.id == "handler-not-found"
    assert "the package doesn't have the module 'yaml.handler'. Add PyYAML to the requirements" in finding.message
    [finding] = make({"app.py": "def run(e, c): ...\n"}, handler="ap.run")
    assert "Did you mean app, which the package has?" in finding.message


def test_a_handler_that_may_be_in_a_layer_that_cant_be_read_is_a_warning(make):
    [finding] = make({"app.py": "def run(e, c): ...\n"}, layers=[ARN], handler="tracer.handler.handler").findings
    assert (finding.id, finding.severity) == ("handler-uncertain", "warning")
    assert f"It may be in layer {ARN}, whose files are unknown here." in finding.message


def test_a_module_that_is_missing_from_ones_own_folder_is_an_error_before_anything_is_resolved(make):
    with pytest.raises(EntryError, match=r"api/mian\.py' doesn't exist"):
        make({"api/main.py": "", "requirements.txt": "--no-index\nnowhere\n"}, handler="api.mian.run")


def test_in_an_entry_directory_with_nothing_else_the_modules_that_are_there_are_named(make):
    with pytest.raises(EntryError, match=r"mian\.py' doesn't exist\. Did you mean handler='main\.run', of main\.py"):
        make({"main.py": ""}, handler="mian.run")


@pytest.mark.parametrize(
    ("files", "handler", "right"),
    [
        (["src/main.py"], "src/main.py.run", "src.main.run"),
        (["src/main.py"], "src.mian.run", "src.main.run"),
        (["src/main.py", "src/other.py"], "src.run", "src.main.run"),
        (["src/orders/main.py", "orders/notes.txt"], "orders/main.run", "src.orders.main.run"),
        (["App.py", "app/notes.txt"], "app.run", "App.run"),
    ],
)
def test_a_handler_whose_module_isnt_there_is_told_the_handler_that_works(make, tmp_path, files, handler, right):
    content = dict.fromkeys(files, "def run(e, c): ...\n")
    with pytest.raises(EntryError, match=rf"handler '{handler}': .*handler='{right}'"):
        make(content, handler=handler)
    assert make(content, handler=right).function_handler == right


def test_a_handler_of_a_project_that_isnt_required_is_told_how_to(make):
    files = {"pyproject.toml": "[project]\nname = 'orders'\n", "src/orders/main.py": "def run(e, c): ...\n"}
    with pytest.raises(
        EntryError, match=r"It is in src/: set entry='.*/src', or require the project with a line `-e \.`"
    ):
        make(files, handler="orders.main.run")


RUN = "#!/bin/sh\nexec python -m uvicorn app:app\n"
STARTED = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}


@pytest.mark.parametrize("handler", ["run.sh", "bin/start", "scripts/run.sh"])
def test_a_script_that_a_wrapper_starts_is_a_handler_and_is_packaged(make, handler):
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}
    made = make({"app.py": "import json\n", handler: RUN}, handler=handler, environment=variables, layers=[ARN])
    assert (made.findings, made.function_handler) == ((), handler)
    assert {"app.py", handler} <= set(names_in(made.path))


def test_a_script_that_nothing_starts_is_a_warning_and_one_that_cant_be_started_an_error(make):
    [finding] = make({"app.py": "", "run.sh": RUN}, handler="run.sh", layers=[ARN]).findings
    assert (finding.id, finding.path) == ("handler-uncertain", "run.sh")
    assert "set environment={'AWS_LAMBDA_EXEC_WRAPPER': …}" in finding.message
    [finding] = make({"app.py": "", "run.sh": "exec python app.py\n"}, handler="run.sh", layers=[ARN])
    assert (finding.id, finding.path) == ("handler-not-found", "run.sh")


def test_a_module_in_the_place_of_its_function_is_told_the_function(make):
    files = {"api/__init__.py": "", "api/main.py": "def handler(e, c): ...\n"}
    [finding] = make(files, handler="api.main")
    assert (finding.id, finding.severity) == ("handler-not-found", "error")
    assert finding.message == (
        "handler 'main' of api/__init__.py is the module api.main, which can't be called. Name the function in it, such as "
        "'api.main.handler'."
    )
    # As datadog_lambda: what its calls bind can't be known.
    setup = {
        "tracer/__init__.py": "from tracer.setup import initialize\ninitialize(__name__)\n",
        "tracer/setup.py": "def initialize(name): ...\n",
    }
    content = {**WRAPPER, **setup}
    [finding] = make({"app.py": ""}, ("tracer", content), handler="tracer.handler").findings
    assert (finding.id, finding.severity) == ("handler-uncertain", "warning")
    assert "such as 'tracer.handler.handler'" in finding.message


def test_a_script_with_the_line_ends_of_windows_cant_be_started(make):
    [finding] = make({"app.py": "", "run.sh": RUN.replace("\n", "\r\n")}, handler="run.sh", environment=STARTED)
    assert (finding.id, finding.severity) == ("handler-not-found", "error")
    assert "its lines end with CRLF, so Linux looks for the program '/bin/sh\\r'" in finding.message
    [finding] = make({"app.py": "", "run.sh": "\ufeff" + RUN}, handler="run.sh", environment=STARTED)
    assert "it begins with a byte order mark" in finding.message


def test_a_script_that_isnt_there_is_a_missing_file_and_no_missing_module(make):
    [finding] = make({"app.py": ""}, handler="run.sh", environment=STARTED)
    assert finding.message.startswith(
        "handler 'run.sh': the package has no such file. If the entry directory has it, set "
    )


@pytest.mark.parametrize(
    ("files", "script", "fix"),
    [
        (["main.py"], "exec python -m uvicorn --port=$PORT main:app", "index='main.py'"),
        (["wsgi.py"], "gunicorn -b=:$PORT -w=1 wsgi:app --access-logfile -", "index='wsgi.py'"),
        (["server.py"], "exec python server.py", "index='server.py'"),
        (["api/main.py"], "python3 -m api.main", "index='api/main.py'"),
        (["app.py", "main.py"], "uvicorn main:app", "packaging=Packaging(include=['main.py'])"),
        (["app.py", "api/main.py"], "uvicorn api.main:app", "packaging=Packaging(include=['api/**'])"),
    ],
)
def test_a_module_that_a_script_starts_and_that_isnt_packaged_is_an_error(make, files, script, fix):
    content = {**dict.fromkeys(files, "app = 1\n"), "run.sh": f"#!/bin/sh\n{script}\n"}
    [finding] = make(content, handler="run.sh", environment=STARTED)
    assert (finding.id, finding.path) == ("handler-not-found", "run.sh")
    assert finding.message.endswith(f"which isn't packaged: set {fix}.")
    option = {"index": fix.split("'")[1]} if fix.startswith("index") else {"include": [fix.split("'")[1]]}
    made = make(content, handler="run.sh", environment=STARTED, **option)
    assert (made.findings, made.function_handler) == ((), "run.sh")
    assert {*files, "run.sh"} <= set(names_in(made.path))


def test_a_script_that_is_packaged_without_any_module_is_a_warning(make):
    [finding] = make(
        {"src/main.py": "", "run.sh": "#!/bin/sh\ncd src; start\n"}, handler="run.sh", environment=STARTED
    ).findings
    assert (finding.id, finding.severity) == ("handler-uncertain", "warning")
    assert "is packaged without any code of the entry directory, which has src/." in finding.message


def test_a_wrapper_that_is_packaged_without_what_it_wraps_is_a_warning(make):
    files = {"main.py": "def run(e, c): ...\n", "setup.py": "", "tests/test_main.py": ""}
    [finding] = make(files, ("tracer", WRAPPER), handler="tracer.handler.handler").findings
    assert (finding.id, finding.severity) == ("handler-uncertain", "warning")
    assert "is packaged without any code of the entry directory, which has main.py. If" in finding.message
    assert make(files, ("tracer", WRAPPER), handler="tracer.handler.handler", index="main.py").findings == ()


def test_a_library_that_has_the_handler_is_packaged_alone(make):
    files = {"setup.py": "", "tests/test_main.py": ""}
    assert make(files, ("tracer", WRAPPER), handler="tracer.handler.handler").findings == ()
    files["vendor/own/handler.py"] = "def run(e, c): ...\n"
    assert make({**files, "main.py": ""}, handler="own.handler.run").findings == ()


def test_what_a_script_says_of_paths_and_in_comments_is_no_module():
    script = (
        "#!/bin/sh\n# python main.py\nPATH=$PATH:$LAMBDA_TASK_ROOT/bin PYTHONPATH=/opt/python:x curl http://host:80\n"
    )
    assert modules_started(script) == ()


def test_a_file_is_no_handler_unless_a_program_starts_it(make):
    [finding] = make({"app.py": "def run(e, c): ...\n"}, handler="app.py")
    assert finding.message.endswith(
        "is a file's name, and Lambda calls a function. Name that too, such as 'app.handler'."
    )
    files = {"app.py": "", "start.py": "#!/usr/bin/env python3\nimport app\n"}
    made = make(files, handler="start.py", environment=STARTED)
    assert (made.findings, made.function_handler) == ((), "start.py")


@pytest.mark.parametrize("path", ["fast.so", "native/fast.cpython-313-x86_64-linux-gnu.so", "native/fast.abi3.so"])
def test_a_compiled_module_of_ones_own_may_have_the_handler(make, path):
    files = {path: elf(symbols=("PyInit_fast",), needed=("libc.so.6",)), "native/data.json": b"{}"}
    handler = f"{path.partition('.')[0].replace('/', '.')}.run"
    made = make(files, handler=handler, runtime="python3.13")
    assert (made.findings, made.function_handler) == ((), handler)
    assert path in names_in(made.path)


@pytest.mark.parametrize("variable", ["DD_LAMBDA_HANDLER", "NEW_RELIC_LAMBDA_HANDLER", "SENTRY_INITIAL_HANDLER"])
def test_the_handler_that_a_wrapper_calls_is_packaged_and_checked(make, variable):
    files = {"main.py": "def run(e, c): ...\n", "setup.py": ""}
    options = {"handler": "tracer.handler.handler", "environment": {variable: "main.run"}}
    made = make(files, ("tracer", WRAPPER), **options)
    assert (made.findings, made.index, made.function_handler) == ((), "main.py", "tracer.handler.handler")
    assert "main.py" in names_in(made.path)
    [finding] = make({"main.py": "async def run(e, c): ...\n"}, ("tracer", WRAPPER), **options)
    assert (finding.id, finding.path) == ("handler-not-callable", "main.py")
    options["environment"] = {variable: "mian.run"}
    [finding] = make({"main.py": ""}, ("tracer", WRAPPER), **options)
    assert finding.message.startswith("handler 'mian.run': the package doesn't have the module 'mian'.")
    options["environment"] = {variable: "${Token[TOKEN.7]}"}
    [finding] = make(files, ("tracer", WRAPPER), **options).findings
    assert (finding.id, finding.severity) == ("handler-uncertain", "warning")


def test_a_layer_that_has_the_module_in_another_folder_is_named(make, tmp_path):
    for path in ("tracer/handler.py", "python/lib/python3.9/site-packages/tracer/handler.py"):
        layer = write_files(tmp_path / path.replace("/", "-"), {path: ""})
        [finding] = make({"app.py": ""}, handler="tracer.handler.run", layers=[layer], runtime="python3.13")
        assert f"has it as {path}, where python3.13 doesn't look: of a layer, it searches python/" in finding.message


@pytest.mark.needs("Linux")
def test_smoke_imports_what_lambda_calls(make):
    files = {"app.py": "def run(e, c): ...\n"}
    options = {"handler": "tracer.handler.handler", "smoke": True}
    assert make(files, ("tracer", WRAPPER), environment={"TRACED": "app.run"}, **options).findings == ()
    [finding] = make(files, ("tracer", WRAPPER), environment={"TRACED": "app.walk"}, **options)
    assert "tracer.handler can't be imported" in finding.message


def test_the_apps_own_module_is_that_of_the_handler_unless_the_entry_directory_lacks_it(tmp_path):
    entry = write_files(tmp_path, {"app.py": "", "api/main.py": "", "run.sh": ""})
    assert find_own_module(entry, None, "api.main.run") == OwnModule("api/main.py")
    assert find_own_module(entry, None, "tracer.handler.run") == OwnModule("app.py", needed=False)
    assert find_own_module(entry, None, "run.sh") == OwnModule("app.py", needed=False, handler_file="run.sh")
    assert find_own_module(entry, "api/main.py", "tracer.handler.run") == OwnModule("api/main.py")
    assert find_own_module(entry, "api/main.py", "run.sh") == OwnModule("api/main.py", handler_file="run.sh")
    assert find_own_module(entry, None, "tracer.handler.run", "api.main.run") == OwnModule("api/main.py")
