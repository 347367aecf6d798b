"""Runtimes, architectures and whole directories through the construct, as a user of CDK gives them."""

import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import aws_cdk
import constructs
import jsii
from aws_cdk import Annotations as CdkAnnotations
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template
from entries import DOCUMENT, write_files

from cdk_lambda_package import Packaging, PackagingDefaults, PythonCode, PythonFunction
from cdk_lambda_package.errors import TargetError
from cdk_lambda_package.target import RUNTIMES

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
ACCEPTED = ", ".join(runtime.name for runtime in RUNTIMES)


def names_in_assets(stack: Stack) -> list[list[str]]:
    assets = Path(stack.node.root.synth().directory).glob("asset.*.zip")
    return [sorted(zipfile.ZipFile(asset).namelist()) for asset in assets]


@pytest.mark.parametrize(
    "runtime",
    [
        lambda_.Runtime("python2.7", lambda_.RuntimeFamily.PYTHON),
        lambda_.Runtime("python3.8", lambda_.RuntimeFamily.PYTHON),
        lambda_.Runtime("python4.0", lambda_.RuntimeFamily.PYTHON),
        lambda_.Runtime("nodejs20.x", lambda_.RuntimeFamily.NODEJS),
        lambda_.Runtime.PROVIDED_AL2023,
    ],
    ids=lambda runtime: runtime.name,
)
def test_a_runtime_that_cant_be_packaged_for_is_an_error_that_lists_what_can(stack, entry, runtime):
    expected = f"runtime '{runtime.name}' is not a Python runtime of Lambda that can be packaged for; accepted are "
    with pytest.raises(TargetError) as raised:
        PythonFunction(stack, "F", entry=entry, runtime=runtime)
    assert str(raised.value) == f"{expected}{ACCEPTED}."


@pytest.mark.parametrize(
    ("name", "hint"), [("riscv", ""), ("amd64", ""), ("aarch64", " (Lambda's name for aarch64 is arm64)")]
)
def test_a_custom_architecture_is_an_error_that_lists_both(stack, entry, name, hint):
    architecture = lambda_.Architecture.custom(name)
    with pytest.raises(TargetError) as raised:
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, architecture=architecture)
    assert str(raised.value) == f"architecture '{name}' is not one of Lambda's; accepted are x86_64 and arm64{hint}."


def test_a_python_newer_than_the_table_is_packaged_with_a_warning_that_can_be_acknowledged(stack, entry):
    runtime = lambda_.Runtime("python3.99", lambda_.RuntimeFamily.PYTHON)
    functions = [PythonFunction(stack, name, entry=entry, runtime=runtime) for name in ("F", "G")]
    CdkAnnotations.of(functions[1]).acknowledge_warning("cdk-lambda-package:runtime-assumed")
    (warning,) = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert "python3.99 is newer than this version of cdk-lambda-package" in str(warning.entry.data)
    assert warning.id.startswith("/Stack/F/")
    assert names_in_assets(stack) == [["app.py"]]


has_mixins = pytest.mark.skipif(not hasattr(constructs, "IMixin"), reason="this release of constructs has no mixins")


def change(name: str, value: object):
    """A mixin that sets a property of every function below it."""

    @jsii.implements(constructs.IMixin)
    class Change:
        def supports(self, construct):
            return isinstance(construct, lambda_.CfnFunction)

        def apply_to(self, construct):
            setattr(construct, name, value)

    return Change()


@has_mixins
@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [("runtime", "python3.12", "python3.12 x86_64"), ("architectures", ["arm64"], "python3.13 arm64")],
)
def test_a_package_is_for_the_target_that_a_mixin_sets(stack, entry, name, value, becomes):
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME).with_(change(name, value))
    stack.node.root.synth()
    assert str(function.deployment_package.target) == becomes


@has_mixins
def test_a_mixin_that_changes_something_else_is_fine(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME).with_(change("memory_size", 512))
    Template.from_stack(stack).has_resource_properties("AWS::Lambda::Function", {"MemorySize": 512})


@pytest.mark.skipif(not hasattr(aws_cdk, "IPropertyInjector"), reason="this aws-cdk-lib has no property injectors")
def test_an_architecture_of_a_property_injector_comes_before_a_default(tmp_path, entry):
    @jsii.implements(aws_cdk.IPropertyInjector)
    class Inject:
        @property
        def construct_unique_id(self):
            return lambda_.Function.PROPERTY_INJECTION_ID

        def inject(self, original_props, *, id, scope):  # noqa: A002 - CDK's name
            return {**original_props, "architecture": lambda_.Architecture.X86_64}

    stack = Stack(App(outdir=str(tmp_path / "cdk.out"), property_injectors=[Inject()]), "Stack")
    PackagingDefaults.of(stack).set(architecture=lambda_.Architecture.ARM_64)
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    Template.from_stack(stack).has_resource_properties("AWS::Lambda::Function", {"Architectures": ["x86_64"]})


def test_everything_is_packaged_where_that_is_asked_for_but_what_never_is(stack, tmp_path):
    others = {"data/x.bin": "1", "tests/test_app.py": "", "README.md": "", ".env": "", "other.py": ""}
    never = {".git/HEAD": "", ".venv/pyvenv.cfg": "", "cdk.out/x": "", "__pycache__/app.cpython-313.pyc": ""}
    entry = write_files(tmp_path / "svc", {**DOCUMENT, **others, **never})
    PythonFunction(
        stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(include=["**"], exclude=[".env", "tests/**"])
    )
    expected = {*DOCUMENT, *others} - {".env", "tests/test_app.py", "vendor/internalpackage/__init__.py"}
    assert names_in_assets(stack) == [sorted({*expected, "internalpackage/__init__.py"})]


NOWHERE = f"{sys.prefix}/nowhere"


@pytest.mark.parametrize("kind", ["function", "singleton"])
def test_code_in_a_stack_that_a_pattern_leaves_out_is_not_looked_for(tmp_path, entry, kind):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": ["Prod*"]})
    stacks = Stack(app, "ProdOrders"), Stack(app, "Test")
    for stack, folder in zip(stacks, (entry, NOWHERE), strict=True):
        props = {"code": PythonCode(entry=folder), "runtime": RUNTIME, "handler": "app.handler"}
        if kind == "function":
            lambda_.Function(stack, "F", **props)
        else:
            lambda_.SingletonFunction(stack, "F", uuid="one", **props)
    assert names_in_assets(stacks[0]) == [["app.py"]]
    (function,) = Template.from_stack(stacks[1]).find_resources("AWS::Lambda::Function").values()
    assert function["Properties"]["Code"]["S3Key"].endswith(".zip")
    assert "nowhere" not in (tmp_path / "cdk.out" / "Test.template.json").read_text()
