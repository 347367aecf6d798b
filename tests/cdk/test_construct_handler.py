"""The handler of a function, in what the real aws_cdk renders: named, found, or refused."""

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template
from entries import write_files

from cdk_lambda_package import Packaging, PythonCode, PythonFunction
from cdk_lambda_package.errors import FindingsError, OptionError

# One worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")

RUNTIME = lambda_.Runtime.PYTHON_3_13


@pytest.fixture
def entry(tmp_path):
    return write_files(tmp_path / "svc", {"app.py": "def first(e, c): ...\ndef second(e, c): ...\n"})


def share(stack, code, *handlers):
    for number, handler in enumerate(handlers):
        lambda_.Function(stack, f"F{number}", code=code, runtime=RUNTIME, handler=handler)


def test_functions_that_share_code_each_have_a_handler_of_their_own(stack, entry):
    share(stack, PythonCode(entry=entry), "app.first", "app.second")
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert sorted(function["Properties"]["Handler"] for function in functions) == ["app.first", "app.second"]
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_a_handler_that_the_shared_code_does_not_have_is_found_at_synthesis(stack, entry):
    share(stack, PythonCode(entry=entry), "app.first", "app.secnd")
    with pytest.raises(
        RuntimeError, match=r"'secnd' is not defined in app\.py; it defines first, second\. Did you mean"
    ):
        stack.node.root.synth()


def test_what_cant_be_known_of_shared_code_is_left_alone(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": "def __getattr__(name): ...\n"})
    share(stack, PythonCode(entry=entry), "app.anything")
    Template.from_stack(stack)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("other.module.run", r"the package doesn't have the module 'other\.module'"),
        ("jobs.run", r"jobs\.py is in the entry directory, but isn't packaged: set .*include=\['jobs\.py'\]"),
        ("app/first", r"'app/first' names no module\. Lambda needs one, such as 'app\.first'"),
    ],
)
def test_a_handler_whose_module_is_nowhere_is_found_at_synthesis(stack, entry, handler, message):
    write_files(entry, {"jobs.py": "def run(e, c): ...\n"})
    share(stack, PythonCode(entry=entry), "app.first", handler)
    with pytest.raises(RuntimeError, match=rf"Stack/F1/Resource\].*{message}"):
        stack.node.root.synth()


def test_a_handler_that_another_construct_sets_may_be_in_a_layer_that_cant_be_read(stack, entry):
    arn = "arn:aws:lambda:eu-west-1:464622532012:layer:Tracer:100"
    layer = lambda_.LayerVersion.from_layer_version_arn(stack, "Tracer", arn)
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="first", layers=[layer])
    function.node.default_child.handler = "tracer.handler.handler"
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::Lambda::Function", {"Handler": "tracer.handler.handler"})
    text = Match.string_like_regexp(f"'tracer.handler'. It may be in layer {arn}")
    Annotations.from_stack(stack).has_warning("/Stack/F/Resource", text)


def test_a_handler_of_the_package_outside_of_the_apps_own_module_is_taken_over(stack, entry):
    write_files(entry, {"vendor/tracer/handler.py": "def handler(e, c): ...\n"})
    share(stack, PythonCode(entry=entry), "app.first", "tracer.handler.handler")
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="tracer.handler.handler")
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    handlers = [function["Properties"]["Handler"] for function in functions]
    assert sorted(handlers) == ["app.first", "tracer.handler.handler", "tracer.handler.handler"]
    assert len({str(function["Properties"]["Code"]) for function in functions}) == 1
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_a_script_that_a_wrapper_starts_is_the_handler_as_it_is_written(stack, entry):
    write_files(entry, {"run.sh": "#!/bin/sh\nexec python -m uvicorn app:app\n"})
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="run.sh", environment=variables)
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::Lambda::Function", {"Handler": "run.sh"})
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_a_script_of_code_that_functions_share_is_selected_by_include(stack, entry):
    write_files(entry, {"run.sh": "#!/bin/sh\nexec python -m http.server\n"})
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}
    code = PythonCode(entry=entry, environment=variables, packaging=Packaging(include=["run.sh"]))
    share(stack, code, "app.first", "run.sh")
    Template.from_stack(stack)
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []
    other = Stack(App(), "Other")
    share(other, PythonCode(entry=entry, environment=variables), "run.sh")
    with pytest.raises(RuntimeError, match=r"the package has no such file\. If .*include=\['run\.sh'\]"):
        other.node.root.synth()


def test_functions_that_differ_in_the_handler_that_a_service_wraps_have_packages_of_their_own(stack, tmp_path):
    files = {"one.py": "def run(e, c): ...\n", "two.py": "def run(e, c): ...\n"}
    entry = write_files(tmp_path / "svc", {**files, "vendor/tracer/handler.py": "def handler(e, c): ...\n"})
    for name in ("one", "two"):
        variables = {"DD_LAMBDA_HANDLER": f"{name}.run"}
        options = {"runtime": RUNTIME, "handler": "tracer.handler.handler", "environment": variables}
        PythonFunction(stack, name, entry=entry, **options)
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert {function["Properties"]["Handler"] for function in functions} == {"tracer.handler.handler"}
    assert len({str(function["Properties"]["Code"]) for function in functions}) == 2


def test_in_a_stack_that_isnt_bundled_a_handler_that_isnt_given_is_the_default(tmp_path):
    app = App(context={"aws:cdk:bundling-stacks": []})
    stack = Stack(app, "Stack")
    entry = write_files(tmp_path / "svc", {"app.py": "def lambda_handler(e, c): ...\n"})
    given = {
        "One": {},
        "Two": {"index": "index.py"},
        "Three": {"handler": "run.sh"},
        "Four": {"handler": "api.main.run"},
    }
    for name, options in given.items():
        PythonFunction(stack, name, entry=entry, runtime=RUNTIME, **options)
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    handlers = sorted(function["Properties"]["Handler"] for function in functions)
    assert handlers == ["api.main.run", "app.handler", "index.handler", "run.sh"]


def test_in_a_folder_lambda_takes_slashes_for_dots(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"api/main.py": "def run(e, c): ...\n"})
    code = PythonCode(entry=entry, index="api/main.py")
    share(stack, code, "api/main.run", "api.main.run", "api/main.walk")
    with pytest.raises(RuntimeError, match=r"'walk' is not defined in api/main\.py"):
        stack.node.root.synth()


def test_a_handler_changed_on_the_resource_is_found_at_synthesis(stack, entry):
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="first")
    function.node.default_child.handler = "app.third"
    with pytest.raises(RuntimeError, match=r"'third' is not defined in app\.py"):
        stack.node.root.synth()


def test_a_handler_given_to_the_code_is_looked_for_in_the_module(stack, entry):
    share(stack, PythonCode(entry=entry, handler="app.third"), "app.first")
    with pytest.raises(RuntimeError, match=r"'third' is not defined in app\.py"):
        stack.node.root.synth()


def test_handlers_that_arent_there_are_shown_for_all_functions_by_one_synthesis(stack, tmp_path):
    apps = {
        "one": "def first(e, c): ...\n",
        "two": "def main(event, context): ...\n",
        "three": "def handler(e, c): ...\ndef lambda_handler(e, c): ...\n",
    }
    for name, app in apps.items():
        handler = "frist" if name == "one" else None
        entry = write_files(tmp_path / name, {"app.py": app})
        PythonFunction(stack, name, entry=entry, runtime=RUNTIME, handler=handler)
    with pytest.raises(RuntimeError) as caught:
        stack.node.root.synth()
    said = str(caught.value)
    assert (
        "handler 'frist' is not defined in app.py; it defines first. Did you mean 'first'? [handler-not-found]" in said
    )
    assert (
        "two: app.py has no handler: it binds none of handler, lambda_handler and no Chalice app; it defines main."
        in said
    )
    assert "three: app.py has several handlers, handler and lambda_handler. Set handler= to the one to call." in said


@pytest.mark.parametrize(
    ("options", "raised", "message"),
    [
        ({"handler": "run"}, FindingsError, r"'run' is not defined in app\.py; it defines first, second"),
        ({}, OptionError, r"app\.py has no handler.*it defines first, second.*Set handler="),
    ],
)
def test_a_handler_that_isnt_there_is_raised_at_once_where_that_is_asked_for(stack, entry, options, raised, message):
    with pytest.raises(raised, match=message):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise", **options)


@pytest.mark.parametrize("handler", ["1st", "app..first", 3])
def test_what_cant_be_the_name_of_a_handler_is_an_error_at_once(stack, entry, handler):
    with pytest.raises(OptionError, match="handler"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler=handler)


def test_a_handler_that_after_packaging_took_away_is_not_defined(stack, entry):
    command = ["sh", "-c", "echo 'def other(e, c): ...' > app.py"]
    PythonFunction(
        stack, "F", entry=entry, runtime=RUNTIME, handler="first", packaging=Packaging(after_packaging=[command])
    )
    with pytest.raises(RuntimeError, match=r"handler 'first' is not defined in app\.py; it defines other"):
        stack.node.root.synth()


def test_an_acknowledged_handler_is_taken_as_it_is(stack, entry):
    PythonFunction(
        stack,
        "F",
        entry=entry,
        runtime=RUNTIME,
        handler="third",
        packaging=Packaging(acknowledge=["handler-not-found"]),
    )
    [function] = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert function["Properties"]["Handler"] == "app.third"


def test_several_candidates_are_an_error_even_if_that_is_acknowledged(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": "def handler(e, c): ...\ndef lambda_handler(e, c): ...\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["handler-unknown"]))
    with pytest.raises(RuntimeError, match=r"app\.py has no single handler\. Set handler="):
        stack.node.root.synth()


def test_a_function_needs_a_handler_of_its_own(stack, entry):
    with pytest.raises(OptionError, match=r"handler is '\*', which is for code that several functions share"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="*")


ASYNC = "import asyncio\n\nasync def handler(event, context): ...\n"


def test_a_handler_that_lambda_cant_call_is_found_at_synthesis_beside_what_else_is_wrong(stack, tmp_path):
    for name, app in (("one", ASYNC), ("two", "def handler(event, context)\n")):
        PythonFunction(stack, name, entry=write_files(tmp_path / name, {"app.py": app}), runtime=RUNTIME)
    with pytest.raises(RuntimeError) as caught:
        stack.node.root.synth()
    assert "app.py:3: handler 'handler' is a coroutine function" in str(caught.value)
    assert "app.py:1: python3.13 can't compile this module" in str(caught.value)


def test_a_handler_that_lambda_cant_call_is_raised_at_once_where_that_is_asked_for(stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"app.py": ASYNC})
    with pytest.raises(FindingsError, match="is a coroutine function"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise")
