"""What can't be meant is refused by the constructs, in stacks that are bundled and in those that aren't."""

import re
from pathlib import Path

import pytest
from entries import HANDLER, write_files

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import jsii
from aws_cdk import App, CfnParameter, Fn, IStableStringProducer, Lazy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from cdk_lambda_package import Packaging, PythonCode, PythonFunction
from cdk_lambda_package.errors import EntryError, OptionError, PackageError
from cdk_lambda_package.options import OPTIONS

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


@pytest.fixture(params=["bundled", "not bundled"])
def stack(request, tmp_path):
    context = {} if request.param == "bundled" else {"aws:cdk:bundling-stacks": []}
    return Stack(App(outdir=str(tmp_path / "cdk.out"), context=context), "Stack")


@pytest.fixture
def bundled(tmp_path):
    return Stack(App(outdir=str(tmp_path / "cdk.out")), "Stack")


def handler_of(stack):
    (function,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    return function["Properties"]["Handler"]


def given(option: str, value: object) -> dict[str, object]:
    """Return the prop that sets an option of the package, or a prop of the construct's own."""
    return {"packaging": {option: value}} if option in OPTIONS else {option: value}


@jsii.implements(IStableStringProducer)
class Late:
    def produce(self):
        return "late"


LISTS = ("include", "exclude", "provided", "exclude_distributions", "exclude_from_requirements", "groups", "extras")
TEXTS = ("index", "handler", "chalice", "follow_symlinks", "requirements", "build_constraint")
TOKENS = {
    **{name: lambda token: token for name in (*TEXTS, "entry", "build_image", "asset_hash", "on_error")},
    **{name: lambda token: ["x", f"x-{token}"] for name in (*LISTS, "pip_args", "acknowledge")},
    "pip_environment": lambda token: {"PIP_INDEX_URL": token},
    "before_packaging": lambda token: [["true"], ["echo", token]],
    "after_packaging": lambda token: [["echo", token]],
}


@pytest.mark.parametrize("option", TOKENS)
def test_a_token_is_refused_by_the_name_of_its_option(stack, entry, option):
    token = CfnParameter(stack, "P").value_as_string
    props = {"entry": entry, "runtime": RUNTIME, **given(option, TOKENS[option](token))}
    with pytest.raises(OptionError, match=f"^{option} (is|has) a token, known only at deployment; give"):
        PythonFunction(stack, "F", **props)


def test_tokens_are_refused_wherever_they_come_from(stack, entry):
    lists = CfnParameter(stack, "L", type="CommaDelimitedList").value_as_list
    for token in (Fn.ref("P"), Fn.join("", ["a", Fn.ref("P")]), Lazy.string(Late()), lists[0]):
        with pytest.raises(OptionError, match="^exclude has a token"):
            PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging={"exclude": [token]})
    with pytest.raises(OptionError, match="^exclude has a token"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging={"exclude": lists})
    with pytest.raises(OptionError, match="^requirements has a token"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging={"requirements": Path(Fn.ref("P"))})


def test_what_only_looks_like_a_token_is_none(bundled, entry):
    PythonFunction(bundled, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(exclude=["${Token[", "#{Token["]))
    assert handler_of(bundled) == "app.handler"


def test_the_functions_own_environment_may_have_tokens(bundled, entry):
    PythonFunction(bundled, "F", entry=entry, runtime=RUNTIME, environment={"A": Fn.ref("P")})
    assert handler_of(bundled) == "app.handler"


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("entry", None, "give a path"),
        ("entry", 3, "give a path"),
        ("handler", 3, "such as 'handler'"),
        ("handler", "", "such as 'handler'"),
        ("handler", "no name", "not the name of a function"),
        ("index", 3, "such as 'api/main.py'"),
        ("include", False, 'such as ["assets/**"]'),
        ("include", "data", "such as ['data']"),
        ("exclude", [Path("a")], 'such as ["*.md"]'),
        ("requirements", ["a"], "give a path"),
        ("requirements", "pyproject.toml", "Write a lock of the project, with `cdk-lambda-package lock`"),
        ("requirements", Path("sub/Pipfile"), "neither a requirements file nor a lock"),
        ("requirements", "setup.py", "neither a requirements file nor a lock"),
        ("code", lambda_.Code.from_inline("x"), "PythonFunction makes code= from entry=; leave code= out"),
        ("bundling", {"image": "x"}, "bundling= belongs to aws-lambda-python-alpha"),
        ("asset_hash", "", "such as 'release-7'"),
        ("asset_hash", 7, "such as 'release-7'"),
        ("on_error", "rasie", "give 'validate' or 'raise'"),
        ("chalice", "fat", "give 'slim' or 'full'"),
        ("allow_build", "no", "give True or False"),
        ("runtime", "python3.13", "give one of CDK's"),
        ("runtime", None, "no context key 'cdk-lambda-package:runtime', and no environment variable"),
        ("runtime", lambda_.Runtime.NODEJS_22_X, "python3.13"),
        ("architecture", "arm64", "give one of CDK's"),
        ("provided", ["boto3>1"], "leave out versions"),
    ],
)
def test_a_value_that_cant_be_meant_is_refused_with_one_that_can(stack, entry, option, value, advice):
    with pytest.raises(OptionError, match=re.escape(advice)) as refused:
        PythonFunction(stack, "F", **{"entry": entry, "runtime": RUNTIME, **given(option, value)})
    assert option in str(refused.value)


@pytest.mark.parametrize("option", ["layers", "index", "handler", "environment", *OPTIONS])
def test_what_is_none_is_not_given(bundled, entry, option):
    PythonFunction(bundled, "F", entry=entry, runtime=RUNTIME, on_error="raise", **{option: None})
    PythonCode(entry=entry, on_error="raise", **{option: None})
    assert handler_of(bundled) == "app.handler"


def test_code_that_is_none_is_none(bundled, entry):
    PythonFunction(bundled, "F", entry=entry, runtime=RUNTIME, code=None)
    assert handler_of(bundled) == "app.handler"


@pytest.mark.parametrize("index", ["app.js", "../app.py", "vendor/app.py"])
def test_an_index_that_cant_be_a_module_is_refused(stack, entry, index):
    with pytest.raises(EntryError, match=f"^index '{index}' can't be the handler's module"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, index=index)


def test_the_code_alone_is_checked_too(stack, entry):
    for option, value in {"chalice": "fat", "asset_hash": "", "exclude": [Fn.ref("P")], "index": "a.js"}.items():
        with pytest.raises(PackageError, match=f"^{option} "):
            PythonCode(entry=entry, **given(option, value))


@pytest.mark.parametrize("index", ["./api/main.py", Path("api/main.py")])
def test_an_index_may_be_written_as_paths_are(stack, entry, index):
    write_files(entry, {"api/main.py": HANDLER})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, index=index)
    assert handler_of(stack) == "api.main.handler"


@pytest.mark.parametrize(
    "props",
    [
        {"handler": "pkg.run"},
        {"handler": "run", "index": "pkg/__init__.py"},
        {"handler": "run", "index": Path("pkg.py")},
        {"handler": "pkg.run", "index": "pkg/__init__.py"},
    ],
)
def test_a_handler_may_be_in_a_package_itself(stack, entry, props):
    write_files(entry, {"pkg/__init__.py": "def run(event, context): ...\n", "pkg/deep.py": ""})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, **props)
    assert handler_of(stack) == "pkg.run"


def test_bundling_that_is_none_is_none(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, bundling=None)
    assert handler_of(stack) == "app.handler"
