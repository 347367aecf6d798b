"""Packages are made at synthesis, in every way that CDK has to define a function and to synthesize an app.

`make test-matrix` runs this module at the oldest aws-cdk-lib as well.
"""

import importlib.metadata
import json
import re
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import aws_cdk
import jsii
from aws_cdk import (
    App,
    Aspects,
    CfnParameter,
    CfnResource,
    CliCredentialsStackSynthesizer,
    CustomResource,
    Environment,
    IAspect,
    LegacyStackSynthesizer,
    NestedStack,
    Stack,
    Stage,
    aws_sam,
    custom_resources,
    pipelines,
    triggers,
)
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template
from constructs import IValidation
from entries import HANDLER, names_in, write_files
from native import elf
from packaging.version import Version
from pip_projects import isolate_pip
from this_host import HOST, find_python, require
from wheel_factory import build_wheel

from cdk_lambda_package import PackageError, Packaging, PythonCode, PythonFunction
from cdk_lambda_package.interpreters import INTERPRETER_VARIABLE
from cdk_lambda_package.target import RUNTIMES

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
FUNCTION = "AWS::Lambda::Function"
ROLE = "arn:aws:iam::123456789012:role/lambda"


@pytest.fixture
def new_app(tmp_path):
    """Makes an app with its own directory for the assembly."""

    def make(**props) -> App:
        number = len(list(tmp_path.glob("out*")))
        (tmp_path / f"out{number}").mkdir()
        return App(outdir=str(tmp_path / f"out{number}"), **props)

    return make


@pytest.fixture
def isolated_pip(monkeypatch):
    isolate_pip(monkeypatch)


@pytest.fixture
def app(new_app):
    return new_app()


def edit(entry: Path) -> None:
    (entry / "app.py").write_text(f"{HANDLER}EDITED = True\n")


def define(scope, entry, name="F", **props) -> PythonFunction:
    return PythonFunction(scope, name, entry=entry, runtime=RUNTIME, **props)


def resources(template: Path | str, kind: str = FUNCTION) -> dict[str, dict]:
    found = json.loads(Path(template).read_text())["Resources"]
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == kind}


def template(app: App, name: str) -> Path:
    paths = Path(app.outdir).rglob(f"{name}*.template.json")
    (path,) = (path for path in paths if ".nested." not in path.name)
    return path


def the_function(app: App, name: str = "Stack") -> dict:
    """Return the properties of the one function in a template that is ours."""
    (one,) = resources(template(app, name)).values()
    return one


def is_packaged(app: App, function: dict) -> bool:
    """Return whether the function's code is a package of an entry directory in the assembly."""
    key = function["Code"]["S3Key"]
    path = Path(app.outdir) / f"asset.{key.rpartition('/')[2]}"
    return "app.py" in names_in(path)


# Ways to define a function with code.


def with_version(stack, code):
    function = lambda_.Function(
        stack,
        "F",
        code=code,
        runtime=RUNTIME,
        handler="app.handler",
        snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS,
    )
    lambda_.Alias(stack, "Live", alias_name="live", version=function.current_version)


def singleton(stack, code):
    lambda_.SingletonFunction(stack, "F", uuid="one", code=code, runtime=RUNTIME, handler="app.handler")


def trigger(stack, code):
    triggers.TriggerFunction(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")


def provider(stack, code):
    function = lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    token = custom_resources.Provider(stack, "Provider", on_event_handler=function).service_token
    CustomResource(stack, "Resource", service_token=token)


def by_hand(stack, code):
    place = code.bind(stack).s3_location
    location = lambda_.CfnFunction.CodeProperty(s3_bucket=place.bucket_name, s3_key=place.object_key)
    resource = lambda_.CfnFunction(stack, "F", role=ROLE, runtime="python3.13", handler="app.handler", code=location)
    code.bind_to_resource(resource)


def without_bind(stack, code):
    nothing = lambda_.CfnFunction.CodeProperty()
    resource = lambda_.CfnFunction(stack, "F", role=ROLE, runtime="python3.13", handler="app.handler", code=nothing)
    code.bind_to_resource(resource)


@pytest.mark.parametrize("kind", [with_version, singleton, trigger, provider, by_hand, without_bind])
def test_code_serves_each_construct_that_takes_it(app, stack, entry, kind):
    kind(stack, PythonCode(entry=entry))
    app.synth()
    functions = [one for one in resources(template(app, "Stack")).values() if one["Handler"] == "app.handler"]
    assert [is_packaged(app, one) for one in functions] == [True]


def test_code_serves_an_edge_function(app, entry):
    stack = Stack(app, "Stack", env=Environment(account="123456789012", region="eu-west-1"))
    code = PythonCode(entry=entry)
    cloudfront.experimental.EdgeFunction(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    app.synth()
    assert is_packaged(app, the_function(app, "edge-lambda-stack"))


def test_code_serves_a_function_of_sam(app, stack, entry):
    function = aws_sam.CfnFunction(
        stack, "F", runtime="python3.13", handler="app.handler", architectures=["arm64"], code_uri="s3://later/later"
    )
    code = PythonCode(entry=entry)
    code.bind_to_resource(function)
    app.synth()
    (made,) = resources(template(app, "Stack"), "AWS::Serverless::Function").values()
    assert "app.py" in names_in(Path(app.outdir) / f"asset.{made['CodeUri']['Key']}")
    assert str(code.deployment_package.target) == "python3.13 arm64"


# Layers.


def define_layer(scope, entry, id="L", *, runtimes=(RUNTIME,), packaging=None, **props):  # noqa: A002
    code = PythonCode(entry=entry, packaging=packaging)
    return lambda_.LayerVersion(scope, id, code=code, compatible_runtimes=[*runtimes], **props), code


def content_of(app: App, name: str = "Stack") -> Path:
    (layer,) = resources(template(app, name), "AWS::Lambda::LayerVersion").values()
    return Path(app.outdir) / f"asset.{layer['Content']['S3Key']}"


@pytest.fixture
def shared(tmp_path, isolated_pip) -> Path:
    build_wheel(tmp_path / "wheels", "tool", files={"tool.py": "A = 1\n"})
    requirements = "--no-index --find-links ../wheels\ntool; python_version >= '3.13'\n"
    files = {"app.py": HANDLER, "vendor/shared.py": "import tool\n", "requirements.txt": requirements}
    return write_files(tmp_path / "shared", files)


def test_the_content_of_a_layer_is_in_the_folder_of_its_one_runtime(app, stack, shared, tmp_path):
    _, code = define_layer(stack, shared)
    app.synth()
    content = content_of(app)
    found = names_in(content)
    root = "python/lib/python3.13/site-packages"
    assert {f"{root}/shared.py", f"{root}/tool.py", f"{root}/app.py"} <= set(found)
    assert all(name.startswith(f"{root}/") for name in found)
    assert {file["path"] for file in code.deployment_package.manifest["files"]} == set(found)
    zipfile.ZipFile(content).extractall(tmp_path / "opt")
    (distribution,) = importlib.metadata.distributions(path=[str(tmp_path / "opt" / root)])
    assert all(Path(distribution.locate_file(file)).is_file() for file in distribution.files)


def test_a_function_is_checked_with_the_content_of_such_a_layer(app, stack, shared, tmp_path):
    entry = write_files(tmp_path / "user", {"app.py": f"import shared\n{HANDLER}"})
    function = define(stack, entry)
    layer, _ = define_layer(stack, shared)
    function.add_layers(layer)
    app.synth()
    assert function.deployment_package is not None
    other = Stack(app, "Other")
    define(other, entry)
    with pytest.raises(RuntimeError, match="shared"):
        app.synth(force=True)


def test_a_layer_is_one_package_for_all_that_it_claims(app, stack, shared, entry):
    define_layer(stack, entry, "Same", runtimes=(RUNTIME, lambda_.Runtime.PYTHON_3_12))
    app.synth()
    define_layer(stack, shared, runtimes=(RUNTIME, lambda_.Runtime.PYTHON_3_12))
    with pytest.raises(
        RuntimeError, match=r"package for python3\.13 x86_64, but it isn't the one for python3\.12 x86_64"
    ):
        app.synth(force=True)


def test_a_layer_without_architectures_serves_both_or_is_an_error(app, stack, entry, tmp_path):
    pure, _ = define_layer(stack, entry, "Pure")
    define(stack, entry, architecture=lambda_.Architecture.ARM_64, layers=[pure])
    app.synth()
    native = write_files(tmp_path / "native", {"vendor/native.so": elf(symbols=("PyInit_native",))})
    define_layer(stack, native, "X86", compatible_architectures=[lambda_.Architecture.X86_64])
    app.synth(force=True)
    define_layer(stack, native)
    with pytest.raises(
        RuntimeError,
        match=r"for python3\.13 x86_64, but none for python3\.13 arm64: .*native\.so(.|\n)*without the latter, a layer is for x86_64 and arm64",
    ):
        app.synth(force=True)


def test_a_layer_shows_the_findings_for_each_of_its_runtimes(app, stack, tmp_path):
    source = "def read():\n    import telnetlib\n"  # Python 3.13 doesn't have it
    entry = write_files(tmp_path / "layer", {"app.py": source})
    runtimes = (lambda_.Runtime.PYTHON_3_12, lambda_.Runtime.PYTHON_3_13)
    define_layer(stack, entry, runtimes=runtimes)
    app.synth()
    assert Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("telnetlib"))


def test_a_layer_needs_no_module(app, stack, tmp_path):
    entry = write_files(tmp_path / "libraries", {"vendor/shared.py": "A = 1\n"})
    layer, code = define_layer(stack, entry, packaging=Packaging(smoke=True))
    function = define(stack, write_files(tmp_path / "user", {"app.py": f"import shared\n{HANDLER}"}), layers=[layer])
    app.synth()
    assert names_in(content_of(app)) == ["python/lib/python3.13/site-packages/shared.py"]
    assert function.deployment_package is not None
    assert [finding.id for finding in code.deployment_package.findings] == ["smoke-skipped"]


@pytest.mark.parametrize(
    ("files", "props", "message"),
    [
        ({"notes.txt": ""}, {}, "has nothing to package"),
        ({"vendor/shared.py": ""}, {"index": "tool.py"}, r"tool\.py' doesn't exist"),
        ({"app.py/x": "", "vendor/shared.py": ""}, {}, r"app\.py' is a folder"),
    ],
)
def test_a_layer_without_content_or_without_the_module_that_it_names_is_an_error(
    app, stack, tmp_path, files, props, message
):
    code = PythonCode(entry=write_files(tmp_path / "libraries", files), **props)
    lambda_.LayerVersion(stack, "L", code=code, compatible_runtimes=[RUNTIME])
    with pytest.raises(RuntimeError, match=message):
        app.synth()


def test_a_function_that_is_packaged_at_once_is_checked_with_the_content_of_such_a_layer(app, stack, shared, tmp_path):
    layer, _ = define_layer(stack, shared)
    good = write_files(tmp_path / "good", {"app.py": f"import shared\n{HANDLER}"})
    bad = write_files(tmp_path / "bad", {"app.py": f"import missing\n{HANDLER}"})
    function = define(stack, good, "Good", layers=[layer], on_error="raise")
    assert function.deployment_package.findings == ()
    define(stack, bad, "Bad", layers=[layer])
    with pytest.raises(RuntimeError, match=r"\[Stack/Bad/Resource\] (.|\n)*missing"):
        app.synth()


def test_an_error_of_code_that_cdk_binds_reaches_the_app_by_jsii(stack, tmp_path):
    code = PythonCode(entry=tmp_path / "nowhere", on_error="raise")
    with pytest.raises(RuntimeError, match=r"nowhere' doesn't exist"):
        lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")


@pytest.mark.parametrize("name", ["compatible_runtimes", "compatible_architectures"])
def test_what_a_layer_is_for_must_be_known_at_synthesis(app, stack, shared, name):
    values = CfnParameter(stack, "Values", type="CommaDelimitedList").value_as_list
    layer, _ = define_layer(stack, shared)
    setattr(layer.node.default_child, name, values)
    with pytest.raises(RuntimeError, match=f"The layer's {name} is .*known only at deployment"):
        app.synth()


def test_an_edit_between_two_syntheses_keeps_the_asset_hash(app, entry):
    functions = [define(Stack(Stage(app, name), "Stack"), entry, asset_hash="release-1") for name in ("Beta", "Prod")]
    app.synth()
    write_files(entry, {"app.py": f"{HANDLER}# edited\n"})
    app.synth(force=True)
    assert len({function.deployment_package.content_digest for function in functions}) == 1


def test_a_layer_without_runtimes_is_an_error_that_says_so(app, stack, entry):
    lambda_.LayerVersion(stack, "L", code=PythonCode(entry=entry))
    with pytest.raises(RuntimeError, match="The layer has no compatible_runtimes"):
        app.synth()


def test_a_change_of_a_layers_code_changes_the_url_of_a_nested_template(new_app, entry):
    def synth() -> str:
        app = new_app()
        top = Stack(app, "Stack")
        define_layer(NestedStack(top, "Inner"), entry)
        app.synth()
        (nested,) = resources(template(app, "Stack"), "AWS::CloudFormation::Stack").values()
        return json.dumps(nested["TemplateURL"])

    first = synth()
    assert synth() == first
    edit(entry)
    assert synth() != first


# Versions.


def synth_versions(new_app, entry) -> list[str]:
    """Return the names of versions, of a function and of what another stack sees of it."""
    app = new_app()
    stack, other = Stack(app, "Stack"), Stack(app, "Other")
    function = define(stack, entry, snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS)
    lambda_.Alias(other, "Live", alias_name="live", version=function.current_version)
    app.synth()
    assert is_packaged(app, the_function(app))
    seen = json.dumps(resources(template(app, "Other"), "AWS::Lambda::Alias"))
    (version,) = resources(template(app, "Stack"), "AWS::Lambda::Version")
    assert version in seen
    return [version]


def test_a_version_is_another_one_if_and_only_if_the_content_is(new_app, entry):
    first = synth_versions(new_app, entry)
    assert synth_versions(new_app, entry) == first
    (entry / "app.py").touch()
    assert synth_versions(new_app, entry) == first
    edit(entry)
    assert synth_versions(new_app, entry) != first


# Nested stacks and Stages.


def synth_nested(new_app, entry, layer=None, *, stage=False) -> list[list[str]]:
    """Return the hashes in the URLs of nested templates, two deep, as the top and the middle template have them."""
    app = new_app()
    top = Stack(Stage(app, "Prod") if stage else app, "Stack")
    inner = NestedStack(NestedStack(top, "Outer"), "Inner")
    layers = layer and [lambda_.LayerVersion(inner, "L", code=lambda_.Code.from_asset(str(layer)))]
    function = define(inner, entry, layers=layers)
    app.synth()
    assert function.deployment_package is not None
    found = []
    for path in sorted(Path(app.outdir).rglob("*.template.json")):
        for properties in resources(path, "AWS::CloudFormation::Stack").values():
            found += [re.findall("[0-9a-f]{64}", json.dumps(properties["TemplateURL"]))]
        for properties in resources(path).values():
            assert is_packaged(app, properties)
    assert len(found) == 2
    return found


@pytest.mark.parametrize("stage", [False, True])
def test_a_change_of_code_or_of_a_layer_changes_the_urls_of_nested_templates(new_app, entry, tmp_path, stage):
    layer = write_files(tmp_path / "layer", {"python/one.py": "A = 1\n"})
    first = synth_nested(new_app, entry, layer, stage=stage)
    assert synth_nested(new_app, entry, layer, stage=stage) == first
    (layer / "python/one.py").write_text("A = 2\n")
    second = synth_nested(new_app, entry, layer, stage=stage)
    edit(entry)
    third = synth_nested(new_app, entry, layer, stage=stage)
    for one, other in ((first, second), (second, third)):
        assert all(a != b for a, b in zip(one, other, strict=True))


def test_stages_in_stages_are_packaged_into_the_apps_assembly(app, entry):
    outer = Stage(app, "Outer")
    for scope in (app, outer, Stage(outer, "Inner")):
        define(Stack(scope, "Stack"), entry)
    app.synth()
    paths = list(Path(app.outdir).rglob("*.template.json"))
    assert len(paths) == 3
    assert all(is_packaged(app, one) for path in paths for one in resources(path).values())
    assert len(list(Path(app.outdir).rglob("asset.*.zip"))) == 1


def test_a_stage_of_a_pipeline_is_packaged(app, entry):
    stack = Stack(app, "Pipeline")
    source = pipelines.CodePipelineSource.s3(s3.Bucket(stack, "Sources"), "source.zip")
    synth = pipelines.ShellStep("Synth", input=source, commands=["cdk synth"])
    pipeline = pipelines.CodePipeline(stack, "Pipeline", synth=synth)
    stage = Stage(app, "Prod")
    define(Stack(stage, "Stack"), entry)
    pipeline.add_stage(stage)
    app.synth()
    (function,) = resources(template(app, "ProdStack")).values()
    assert is_packaged(app, function)
    # The pipeline publishes the asset.
    assert function["Code"]["S3Key"].removesuffix(".zip") in template(app, "Pipeline").read_text()


def synth_stack_set(new_app, entry) -> tuple[dict, dict, str]:
    """Return the properties of a stack set's function and of the set, and the key of the file that its bucket gets."""
    stacksets = pytest.importorskip("cdk_stacksets")
    app = new_app()
    stack = Stack(app, "Stack")
    # Its stack is no artifact: the template and what it needs are assets of the parent stack.
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "assets-eu-west-1")
    inner = stacksets.StackSetStack(stack, "Template", asset_buckets=[bucket], asset_bucket_prefix="assets")
    define(inner, entry)
    target = stacksets.StackSetTarget.from_accounts(regions=["eu-west-1"], accounts=["123456789012"])
    stacksets.StackSet(stack, "Set", target=target, template=stacksets.StackSetTemplate.from_stack_set_stack(inner))
    app.synth()
    (function,) = resources(Path(app.outdir, inner.template_file)).values()
    assert is_packaged(app, function)
    parent = Path(app.outdir, "Stack.template.json")
    (made,) = resources(parent, "AWS::CloudFormation::StackSet").values()
    (copy,) = resources(parent, "Custom::CDKBucketDeployment").values()
    return function, made, *copy["SourceObjectKeys"]


def test_the_template_of_a_stack_set_is_packaged(new_app, entry):
    function, made, key = synth_stack_set(new_app, entry)
    # Earlier releases copy each asset under the hash of its file, whatever hash it has in the template.
    if Version(metadata.version("cdk-stacksets")) >= Version("0.0.157"):
        assert function["Code"]["S3Key"] == key
    assert synth_stack_set(new_app, entry) == (function, made, key)
    edit(entry)
    edited, changed, other = synth_stack_set(new_app, entry)
    assert edited["Code"] != function["Code"]
    assert changed["TemplateURL"] != made["TemplateURL"]
    assert other != key


# Synthesizers.


def app_staging():
    alpha = pytest.importorskip("aws_cdk.app_staging_synthesizer_alpha")
    return alpha.AppStagingSynthesizer.default_resources(
        app_id="shop", staging_bucket_encryption=s3.BucketEncryption.S3_MANAGED
    )


@pytest.mark.parametrize("synthesizer", [LegacyStackSynthesizer, CliCredentialsStackSynthesizer, app_staging])
def test_each_synthesizer_has_the_asset(app, entry, synthesizer):
    if synthesizer is app_staging:
        app = App(outdir=app.outdir, default_stack_synthesizer=app_staging())
        stack = Stack(app, "Stack", env=Environment(account="123456789012", region="eu-west-1"))
    else:
        stack = Stack(app, "Stack", synthesizer=synthesizer())
    define(stack, entry)
    define(NestedStack(stack, "Nested"), entry)
    app.synth()
    code = the_function(app)["Code"]
    (asset,) = (path.name.removeprefix("asset.") for path in Path(app.outdir).glob("asset.*.zip"))
    if synthesizer is LegacyStackSynthesizer:
        assert asset.removesuffix(".zip") in json.dumps(code)
    else:
        # Deploy-time assets have a prefix of their own in the staging bucket.
        assert code["S3Key"] == (f"deploy-time/{asset}" if synthesizer is app_staging else asset)


# Ways to synthesize.


def test_two_stacks_have_a_template_each(app, entry):
    stacks = [Stack(app, name) for name in ("One", "Two")]
    code = PythonCode(entry=entry)
    for stack in stacks:
        lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    for stack in stacks:
        (function,) = Template.from_stack(stack).find_resources(FUNCTION).values()
        assert is_packaged(app, function["Properties"])


def test_one_code_serves_functions_with_other_targets(app, stack, entry):
    code = PythonCode(entry=entry)
    functions = [
        lambda_.Function(
            stack, architecture.name, code=code, runtime=RUNTIME, handler="app.handler", architecture=architecture
        )
        for architecture in (lambda_.Architecture.X86_64, lambda_.Architecture.ARM_64)
    ]
    assert len(functions) == 2
    app.synth()
    assert all(is_packaged(app, one) for one in resources(template(app, "Stack")).values())
    with pytest.raises(
        PackageError, match="have different packages, such as those for python3.13 x86_64 and python3.13 arm64"
    ):
        assert code.deployment_package


def test_an_app_can_be_synthesized_again(app, stack, entry):
    function = define(stack, entry)
    app.synth()
    first = the_function(app)
    app.synth()
    app.synth(force=True)
    assert the_function(app) == first
    edit(entry)
    app.synth(force=True)
    second = the_function(app)
    assert second["Code"] != first["Code"]
    define(stack, entry, "G")
    function.add_layers(lambda_.LayerVersion.from_layer_version_arn(stack, "L", ARN))
    app.synth(force=True)
    functions = resources(template(app, "Stack"))
    assert [one["Code"] for one in functions.values()] == [second["Code"]] * 2


def test_a_handler_that_an_edit_renames_is_followed_or_missed_by_the_next_synthesis(app, stack, entry):
    define(stack, entry)
    app.synth()
    (entry / "app.py").write_text("def lambda_handler(event, context): ...\n")
    app.synth(force=True)
    assert the_function(app)["Handler"] == "app.lambda_handler"
    (entry / "app.py").write_text("def run(event, context): ...\n")
    assert "app.py has no handler" in problems(app, force=True)


def test_a_stack_without_an_app_is_packaged(entry):
    stack = Stack()
    define(stack, entry)
    (function,) = Template.from_stack(stack).find_resources(FUNCTION).values()
    assert re.fullmatch(r"[0-9a-f]{64}\.zip", function["Properties"]["Code"]["S3Key"])


def test_two_apps_in_a_process_know_nothing_of_each_other(new_app, entry):
    apps = [new_app(), new_app()]
    for app in apps:
        define(Stack(app, "Stack"), entry)
    for app in apps:
        app.synth()
        assert is_packaged(app, the_function(app))


# What changes a function before synthesis.


@jsii.implements(IAspect)
class Visit:
    def __init__(self, kind, change) -> None:
        self._kind, self._change = kind, change

    def visit(self, node):
        if isinstance(node, self._kind):
            self._change(node)


def test_a_function_that_an_aspect_adds_is_packaged(app, stack, entry):
    def add(node):
        if not node.node.try_find_child("Added"):
            define(node, entry, "Added")

    Aspects.of(app).add(Visit(Stack, add))
    app.synth()
    assert is_packaged(app, the_function(app))


@pytest.mark.parametrize("scope", ["app", "stack"])
def test_an_aspect_changes_runtime_and_architecture(app, stack, entry, scope):
    def change(node):
        node.runtime, node.architectures = "python3.12", ["arm64"]

    function = define(stack, entry)
    Aspects.of(app if scope == "app" else stack).add(Visit(lambda_.CfnFunction, change))
    app.synth()
    assert str(function.deployment_package.target) == "python3.12 arm64"
    assert (the_function(app)["Runtime"], the_function(app)["Architectures"]) == ("python3.12", ["arm64"])


@pytest.mark.skipif(not hasattr(aws_cdk, "IPropertyInjector"), reason="this aws-cdk-lib has no property injectors")
def test_an_injector_changes_runtime_and_architecture(new_app, entry):
    @jsii.implements(aws_cdk.IPropertyInjector)
    class Inject:
        @property
        def construct_unique_id(self):
            return lambda_.Function.PROPERTY_INJECTION_ID

        def inject(self, original_props, *, id, scope):  # noqa: A002 - CDK's name
            changed = {"runtime": lambda_.Runtime.PYTHON_3_12, "architecture": lambda_.Architecture.ARM_64}
            return {**original_props, **changed}

    app = new_app(property_injectors=[Inject()])
    function = define(Stack(app, "Stack"), entry)
    app.synth()
    assert str(function.deployment_package.target) == "python3.12 arm64"


ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:pg:1"
LIBRARY = {"lib/libpq.so.5": b"1234"}


@pytest.fixture
def native_entry(tmp_path) -> Path:
    """An app with an extension module that needs libpq.so.5."""
    module = elf(needed=("libpq.so.5",), symbols=("PyInit__x",))
    return write_files(tmp_path / "native", {"app.py": f"import pkg._x\n{HANDLER}", "vendor/pkg/_x.so": module})


def add_by_method(stack, function, layer):
    function.add_layers(layer)


def add_by_aspect(stack, function, layer):
    def change(node):
        node.layers = [layer.layer_version_arn]

    Aspects.of(stack).add(Visit(lambda_.CfnFunction, change))


@pytest.mark.parametrize("add", [add_by_method, add_by_aspect])
@pytest.mark.parametrize("place", ["same stack", "another stack"])
def test_layers_that_are_added_later_count(app, stack, native_entry, tmp_path, add, place):
    scope = stack if place == "same stack" else Stack(app, "Layers")
    content = write_files(tmp_path / "layer", LIBRARY)
    layer = lambda_.LayerVersion(scope, "L", code=lambda_.Code.from_asset(str(content)))
    function = define(stack, native_entry)
    add(stack, function, layer)
    app.synth()
    assert function.deployment_package is not None
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("library-uncertain"))


def test_without_the_layer_the_library_is_missing(app, stack, native_entry):
    define(stack, native_entry)
    with pytest.raises(RuntimeError, match=r"libpq\.so\.5, which neither the package nor Amazon Linux"):
        app.synth()


def test_a_layer_that_is_only_named_makes_it_a_warning(app, stack, native_entry):
    function = define(stack, native_entry)
    arn = f"arn:aws:lambda:{aws_cdk.Aws.REGION}:123456789012:layer:pg:1"
    function.add_layers(lambda_.LayerVersion.from_layer_version_arn(stack, "Imported", arn))
    text = r"arn:aws:lambda:\$\{AWS::Region\}:123456789012:layer:pg:1 can't be "
    Annotations.from_stack(stack).has_warning("/Stack/F/Resource", Match.string_like_regexp(text))


# Handlers that others read or replace.


def test_datadog_replaces_the_handler_and_keeps_the_functions_own(app, stack, tmp_path):
    datadog = pytest.importorskip("datadog_cdk_constructs_v2")
    entry = write_files(tmp_path / "api", {"app.py": "def lambda_handler(event, context): ...\n"})
    function = define(stack, entry)
    kind = getattr(datadog, "DatadogLambda", None) or datadog.Datadog
    kind(
        stack, "Datadog", python_layer_version=99, add_layers=True, flush_metrics_to_logs=True, site="datadoghq.com"
    ).add_lambda_functions([function])
    app.synth()
    made = the_function(app)
    assert made["Handler"] == "datadog_lambda.handler.handler"
    assert made["Environment"]["Variables"]["DD_LAMBDA_HANDLER"] == "app.lambda_handler"
    assert is_packaged(app, made)


def test_an_early_reader_of_handler_and_code_stops_nothing(app, stack, entry):
    seen = []
    resolve = Visit(lambda_.CfnFunction, lambda node: seen.append(stack.resolve([node.handler, node.code])))
    Aspects.of(app).add(resolve)
    define(stack, entry)
    app.synth()
    assert seen[0][0] == "app.handler"
    assert is_packaged(app, the_function(app))


# Errors.


def problems(app: App, **options) -> str:
    with pytest.raises(RuntimeError) as raised:
        app.synth(**options)
    # jsii shows an exception twice: as node had it, and as Python has it.
    return str(raised.value).partition("\n\n")[0]


def templates(app: App) -> list[str]:
    return [path.name for path in Path(app.outdir).rglob("*.template.json")]


@pytest.mark.parametrize("options", [{}, {"skip_validation": True}])
def test_code_without_a_resource_is_an_error_that_shows_the_line_to_write(app, stack, entry, options):
    place = PythonCode(entry=entry).bind(stack).s3_location
    code = lambda_.CfnFunction.CodeProperty(s3_bucket=place.bucket_name, s3_key=place.object_key)
    lambda_.CfnFunction(stack, "F", role=ROLE, runtime="python3.13", handler="app.handler", code=code)
    text = problems(app, **options)
    assert "Stack" in text
    assert "`code.bind_to_resource(resource)`" in text
    assert templates(app) == []


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("version", [False, True])
def test_no_template_has_a_placeholder_without_validation_either(app, stack, tmp_path, nested, version):
    function = define(NestedStack(stack, "Nested") if nested else stack, tmp_path / "nowhere")
    if version:
        assert function.current_version
    assert "nowhere" in problems(app, skip_validation=True)
    assert "nowhere" in problems(app, skip_validation=True, force=True)
    written = [path.read_text().lower().replace("-", "") for path in Path(app.outdir).rglob("*.template.json")]
    assert not any("notpackagedyet" in text for text in written)


def test_after_the_error_is_corrected_the_next_synthesis_is_whole(app, stack, tmp_path):
    define(stack, tmp_path / "later")
    assert "later" in problems(app)
    write_files(tmp_path / "later", {"app.py": HANDLER})
    app.synth()
    assert is_packaged(app, the_function(app))


def test_all_errors_of_a_stage_come_at_once_each_with_its_path(app, stack, tmp_path):
    define(stack, tmp_path / "nowhere", "One")
    define(NestedStack(stack, "Nested"), write_files(tmp_path / "two", {"app.py": "def handler(\n"}), "Two")
    define(Stack(app, "Other"), write_files(tmp_path / "three", {"app.py": HANDLER}), "Three", handler="run")
    text = problems(app)
    assert re.search(r"\[Stack/One/Resource\] .*nowhere", text)
    assert re.search(r"\[Stack/Nested/Two/Resource\] .*can't compile", text)
    assert re.search(r"\[Other/Three/Resource\] .*'run' is not defined in app\.py", text)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("runtime", "nodejs22.x", "nodejs22.x.*is not a Python runtime of Lambda"),
        ("runtime", "token", "runtime is .*Late.*known only at deployment"),
        ("architectures", ["riscv"], "riscv"),
        ("architectures", "token", "architecture is .*Late.*known only at deployment"),
    ],
)
def test_a_target_that_cant_be_packaged_for_is_an_error_with_the_path(app, stack, entry, name, value, message):
    if value == "token":
        value = CfnParameter(stack, "Late").value_as_string
        value = [value] if name == "architectures" else value
    setattr(define(stack, entry).node.default_child, name, value)
    assert re.search(rf"\[Stack/F/Resource\] .*{message}", problems(app))


@jsii.implements(IValidation)
class ChangeLate:
    def __init__(self, resource) -> None:
        self._resource = resource

    def validate(self):
        self._resource.runtime = "python3.12"
        return []


def test_a_change_after_the_package_was_made_is_an_error(app, entry):
    # An app's own validation comes before that of its functions.
    stack = Stack(app, "Stack")
    function = define(stack, entry)
    early = Stack(app, "Early")
    early.node.add_validation(ChangeLate(function.node.default_child))
    app.node.add_validation(ChangeLate(function.node.default_child))
    assert "packaged for python3.13 x86_64, but the function has python3.12 x86_64" in problems(app)


def test_a_cdk_that_doesnt_ask_for_the_packages_is_an_error(app, stack, entry, monkeypatch):
    from cdk_lambda_package.cdk.recorder import Recorder

    monkeypatch.setattr(Recorder, "make_all", lambda self: None)
    define(stack, entry)
    assert "The Python packages were not made" in problems(app)


def test_a_resource_that_isnt_a_function_is_refused(stack, entry):
    with pytest.raises(PackageError, match=r"CfnLayerVersion and aws_sam\.CfnFunction; CfnResource is none of them"):
        PythonCode(entry=entry).bind_to_resource(CfnResource(stack, "R", type="Custom::Thing"))


# What was packaged.


@jsii.implements(IValidation)
class ReadPackage:
    def __init__(self, function) -> None:
        self.function, self.files = function, None

    def validate(self):
        self.files = self.function.deployment_package.files
        return []


def test_the_package_can_be_read_in_a_validation_and_after_synthesis(app, stack, entry):
    function = define(stack, entry)
    with pytest.raises(PackageError, match=r"is made when the app is synthesized\. Read .* after app\.synth\(\)"):
        assert function.deployment_package
    reader = ReadPackage(function)
    function.node.add_validation(reader)
    app.synth()
    assert (reader.files, function.deployment_package.files) == (1, 1)


def test_a_function_that_isnt_bundled_records_nothing(new_app, tmp_path):
    app = new_app(context={"aws:cdk:bundling-stacks": []})
    stack = Stack(app, "Stack")
    function = define(stack, tmp_path / "nowhere", packaging=Packaging(smoke=True))
    lambda_.Function(stack, "G", code=PythonCode(entry=tmp_path / "nowhere"), runtime=RUNTIME, handler="app.handler")
    app.synth()
    assert [one["Handler"] for one in resources(template(app, "Stack")).values()] == ["app.handler"] * 2
    assert function.deployment_package is None
    assert list(Path(app.outdir).glob("asset.*")) == []
    assert not (tmp_path / "cache").exists()


# Code for functions and layers of several runtimes, with bytecode


@pytest.fixture
def runtimes(monkeypatch) -> tuple[lambda_.Runtime, lambda_.Runtime]:
    """Two runtimes whose Python this host has."""
    require("a Python that Lambda has")
    others = {runtime.name: find_python(runtime.name) for runtime in RUNTIMES if runtime.name != HOST}
    found = next(((name, python) for name, python in others.items() if python), None)
    if found is None:
        pytest.skip("this host has one Python only")
    monkeypatch.setenv(INTERPRETER_VARIABLE, found[1])
    return tuple(lambda_.Runtime(name, lambda_.RuntimeFamily.PYTHON) for name in (HOST, found[0]))


def test_functions_of_several_runtimes_that_share_code_have_each_the_bytecode_of_its_python(
    app, stack, entry, runtimes
):
    code = PythonCode(entry=entry, packaging=Packaging(bytecode="require"))
    for number, runtime in enumerate(runtimes):
        lambda_.Function(stack, f"F{number}", code=code, runtime=runtime, handler="app.handler")
    assembly = app.synth()
    for function in resources(template(app, "Stack")).values():
        names = names_in(Path(assembly.directory, f"asset.{function['Code']['S3Key']}"))
        tag = function["Runtime"].removeprefix("python").replace(".", "")
        assert names == [f"__pycache__/app.cpython-{tag}.pyc", "app.py"]
    with pytest.raises(PackageError) as raised:
        assert code.deployment_package
    one, other = (f"{runtime.name} x86_64" for runtime in runtimes)
    assert str(raised.value).endswith(
        f"have different packages, such as those for {one} and {other}, since bytecode is for one version of Python. "
        "Make a PythonCode for each runtime, or read PythonFunction.deployment_package."
    )


def test_a_layer_of_several_runtimes_cannot_have_bytecode_and_one_of_two_architectures_can(app, stack, entry, runtimes):
    packaging = Packaging(bytecode="require")
    both = [lambda_.Architecture.X86_64, lambda_.Architecture.ARM_64]
    code = PythonCode(entry=entry, packaging=packaging)
    lambda_.LayerVersion(stack, "One", code=code, compatible_runtimes=[runtimes[0]], compatible_architectures=both)
    app.synth()
    assert code.deployment_package.bytecode_size
    several = PythonCode(entry=entry, packaging=packaging)
    lambda_.LayerVersion(stack, "Several", code=several, compatible_runtimes=[*runtimes])
    with pytest.raises(RuntimeError) as raised:
        app.synth(force=True)
    said = str(raised.value)
    assert (
        f"it isn't the one for {runtimes[1].name} x86_64, since bytecode is for one version of Python. Make a layer"
        in said
    )
