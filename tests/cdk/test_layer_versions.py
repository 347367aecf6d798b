"""Layers of a CDK app: what it stages is looked into, what it only names is not."""

import zipfile
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import App, Aws, NestedStack, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template
from entries import HANDLER, write_files
from native import elf

from cdk_lambda_package import PythonCode, PythonFunction
from cdk_lambda_package.cdk.layers import check_layers, read_given_layer
from cdk_lambda_package.errors import FindingsError, OptionError
from cdk_lambda_package.layers import Layer, read_layers

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:pg:1"
FILES = {"lib/libpq.so.5": b"1234", "python/pkg.py": b"x = 1\n"}


@pytest.fixture
def entry(tmp_path) -> Path:
    """An app that imports an extension module that needs libpq.so.5."""
    module = elf(needed=("libpq.so.5",), symbols=("PyInit__x",))
    return write_files(tmp_path / "svc", {"app.py": f"import pkg._x\n{HANDLER}", "vendor/pkg/_x.so": module})


@pytest.fixture(params=["folder", "archive"])
def source(request, tmp_path) -> Path:
    """What a layer is made of."""
    if request.param == "folder":
        return write_files(tmp_path / "layer", FILES)
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


def read_layer_versions(layers):
    return tuple(map(read_given_layer, check_layers(layers)))


def make_layer(scope, source: Path) -> lambda_.LayerVersion:
    return lambda_.LayerVersion(scope, "Layer", code=lambda_.Code.from_asset(str(source)))


def define(scope, entry: Path, *layers: object) -> PythonFunction:
    return PythonFunction(scope, "F", entry=entry, runtime=RUNTIME, layers=[*layers], on_error="raise")


def test_a_layer_that_this_app_makes_is_looked_into_and_given_to_the_function(stack, entry, source):
    layer = make_layer(stack, source)
    assert define(stack, entry, layer).node.children
    (known,) = read_layers(read_layer_versions([layer]))
    assert (known.name, known.known) == ("Stack/Layer", True)
    assert known.files == {name: len(content) for name, content in FILES.items()}
    template = Template.from_stack(stack)
    (reference,) = template.find_resources("AWS::Lambda::LayerVersion")
    template.has_resource_properties("AWS::Lambda::Function", {"Layers": [{"Ref": reference}]})
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("library-uncertain"))


def test_what_such_a_layer_lacks_is_an_error(stack, entry, tmp_path):
    layer = make_layer(stack, write_files(tmp_path / "layer", {"python/pkg.py": b""}))
    with pytest.raises(FindingsError, match=r"libpq\.so\.5, which neither the package, its layers nor Amazon Linux"):
        define(stack, entry, layer)


def test_without_layers_nothing_is_assumed(stack, entry):
    with pytest.raises(FindingsError, match=r"libpq\.so\.5, which neither the package nor Amazon Linux"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise")


@pytest.mark.parametrize("scope", ["another stack", "nested", "stage"])
def test_the_layer_may_be_anywhere_in_the_app(app, stack, entry, source, scope):
    scopes = {
        "another stack": lambda: Stack(app, "Other"),
        "nested": lambda: NestedStack(stack, "Nested"),
        "stage": lambda: Stack(Stage(app, "Stage"), "Inner"),
    }
    layer = make_layer(scopes[scope](), source)
    assert [known.known for known in read_layers(read_layer_versions([layer]))] == [True]


def test_an_imported_layer_makes_it_a_warning_that_names_it(stack, entry):
    layer = lambda_.LayerVersion.from_layer_version_arn(stack, "Imported", ARN)
    define(stack, entry, layer)
    text = Match.string_like_regexp(rf"needs libpq\.so\.5.*{ARN} can't be inspected")
    Annotations.from_stack(stack).has_warning("/Stack/F/Resource", text)


def test_a_layer_whose_arn_is_known_at_deployment_goes_by_its_path(stack, entry):
    arn = f"arn:aws:lambda:{Aws.REGION}:123456789012:layer:pg:1"
    layer = lambda_.LayerVersion.from_layer_version_arn(stack, "Imported", arn)
    assert read_layer_versions([layer]) == (Layer(name="Stack/Imported", known=False),)


def test_a_layer_from_a_bucket_isnt_known(stack, entry):
    from aws_cdk import aws_s3 as s3

    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "layers")
    layer = lambda_.LayerVersion(stack, "Layer", code=lambda_.Code.from_bucket(bucket, "pg.zip"))
    assert read_layer_versions([layer]) == (Layer(name="Stack/Layer", known=False),)


def test_the_layer_that_cdk_adds_for_open_telemetry_isnt_known(stack, entry):
    version = lambda_.AdotLayerVersion.from_python_sdk_layer_version(lambda_.AdotLambdaLayerPythonSdkVersion.LATEST)
    config = lambda_.AdotInstrumentationConfig(
        layer_version=version, exec_wrapper=lambda_.AdotLambdaExecWrapper.INSTRUMENT_HANDLER
    )
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, adot_instrumentation=config, on_error="raise")
    text = Match.string_like_regexp("aws-otel-python.* can't be inspected")
    Annotations.from_stack(stack).has_warning("/Stack/F/Resource", text)


def test_code_takes_layers_for_the_checks_alone(stack, entry, source):
    for layers in ([make_layer(stack, source)], [source], [str(source)]):
        code = PythonCode(entry=entry, layers=layers)
        lambda_.Function(stack, f"F{len(stack.node.children)}", code=code, handler="app.handler", runtime=RUNTIME)
    code = PythonCode(entry=entry, layers=[ARN])
    lambda_.Function(stack, "F", code=code, handler="app.handler", runtime=RUNTIME)
    Annotations.from_stack(stack).has_warning("/Stack/F/Resource", Match.string_like_regexp(ARN))


def test_a_large_layer_counts(stack, tmp_path):
    with (write_files(tmp_path / "layer", FILES) / "python/data.bin").open("wb") as stream:
        stream.truncate(262_144_000)
    entry = write_files(tmp_path / "small", {"app.py": HANDLER})
    with pytest.raises(
        FindingsError, match=r"bytes unzipped with its layers.*Largest are layer Stack/Layer \(262,144,"
    ):
        define(stack, entry, make_layer(stack, tmp_path / "layer"))


@pytest.mark.parametrize("layers", ["layer", 3, [3], [lambda_.Code]])
def test_what_is_no_layer_is_refused(stack, entry, layers):
    with pytest.raises(OptionError, match=r"^layers (is|has) "):
        PythonCode(entry=entry, layers=layers)


def only_one_stack(tmp_path: Path) -> tuple[Stack, Stack]:
    """Return the stack that `cdk synth -e Stack` bundles, and another one of the same app."""
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": ["Stack"]})
    return Stack(app, "Stack"), Stack(app, "Layers")


def test_an_asset_of_a_stack_that_isnt_bundled_is_looked_into(tmp_path, entry, source):
    stack, other = only_one_stack(tmp_path)
    layer = make_layer(other, source)
    define(stack, entry, layer)
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("cdk-lambda-package"))
    assert [known.known for known in read_layers(read_layer_versions([layer]))] == [True]


def test_code_of_ours_in_a_stack_that_isnt_bundled_is_made_for_the_checks_of_a_function_that_is(tmp_path):
    stack, other = only_one_stack(tmp_path)
    code = PythonCode(entry=write_files(tmp_path / "layer", {"chalicelib/names.py": "A = 1\n"}))
    layer = lambda_.LayerVersion(other, "Layer", code=code, compatible_runtimes=[RUNTIME])
    app = "from chalicelib.names import A\nimport nowhere\ndef handler(e, c): ...\n"
    PythonFunction(stack, "F", entry=write_files(tmp_path / "svc", {"app.py": app}), runtime=RUNTIME, layers=[layer])
    with pytest.raises(RuntimeError, match="'nowhere' is imported, and neither") as caught:
        stack.node.root.synth()
    assert "'chalicelib.names'" not in str(caught.value)


def test_a_stack_that_isnt_bundled_looks_into_no_layer(tmp_path, entry):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": []})
    stack = Stack(app, "Stack")
    code = PythonCode(entry=tmp_path / "nowhere")
    layer = lambda_.LayerVersion(stack, "Layer", code=code, compatible_runtimes=[RUNTIME])
    define(stack, tmp_path / "nowhere", layer)
    Template.from_stack(stack).resource_count_is("AWS::Lambda::Function", 1)
    assert [known.known for known in read_layers(read_layer_versions([layer]))] == [False]
