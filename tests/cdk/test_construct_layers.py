"""`dependencies="layer"` of a `PythonFunction`, and `PythonLayerVersion`: what the templates and assets have."""

import json
import re
import zipfile

import jsii
import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

from aws_cdk import (
    App,
    Aspects,
    Aws,
    Environment,
    IAspect,
    IStableListProducer,
    Lazy,
    NestedStack,
    RemovalPolicy,
    Stack,
    Stage,
)
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template
from entries import HANDLER, write_files
from native import elf
from wheel_factory import build_wheel, sha256

from cdk_lambda_package import PackageError, Packaging, PythonCode, PythonFunction, PythonLayerVersion

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
ROOT = "python/lib/python3.13/site-packages"
LAYER = Packaging(dependencies="layer")
ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:other:1"


def write_entry(root, content="X = 1\n", app=HANDLER):
    wheel = build_wheel(root.parent / "wheels", "lib", files={"lib.py": content})
    pin = f"--no-index\n--find-links {wheel.parent}\nlib==1.0 --hash=sha256:{sha256(wheel)}\n"
    return write_files(root, {"app.py": f"import lib\n{app}", "requirements.txt": pin})


@pytest.fixture
def entry(tmp_path):
    return write_entry(tmp_path / "svc")


def define(scope, entry, name="F", **props):
    return PythonFunction(scope, name, **{"entry": entry, "runtime": RUNTIME, "packaging": LAYER, **props})


def resources(stack, kind):
    return Template.from_stack(stack).find_resources(f"AWS::Lambda::{kind}")


def names(package_or_layer):
    with zipfile.ZipFile(package_or_layer.path) as archive:
        return sorted(name for name in archive.namelist() if ".dist-info/" not in name)


def test_each_stack_has_one_layer_of_one_asset_and_none_is_exported(app, tmp_path, entry):
    stage = Stage(app, "Stage")
    stacks = [Stack(app, "A"), Stack(app, "B"), Stack(stage, "C")]
    stacks.append(NestedStack(stacks[0], "Nested"))
    functions = [define(stack, entry, name) for stack in stacks for name in ("F", "G")]
    app.synth()
    assert {names(one.deployment_package)[0] for one in functions} == {"app.py"}
    assert {tuple(names(one.deployment_package.layer)) for one in functions} == {(f"{ROOT}/lib.py",)}
    contents = set()
    for path in sorted((tmp_path / "cdk.out").rglob("*.template.json")):
        template = json.loads(path.read_text())
        assert "LayerVersion" not in json.dumps(template.get("Outputs", {}))
        ((name, layer),) = (item for item in template["Resources"].items() if item[1]["Type"].endswith("LayerVersion"))
        made = [one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
        assert [one["Properties"]["Layers"] for one in made] == [[{"Ref": name}]] * 2
        assert "CompatibleRuntimes" not in layer["Properties"]
        contents.add(layer["Properties"]["Content"]["S3Key"])
    assert len(contents) == 1


def test_the_layer_comes_after_those_of_the_function(stack, entry):
    given = lambda_.LayerVersion.from_layer_version_arn(stack, "Given", ARN)
    define(stack, entry, layers=[given])
    (function,) = resources(stack, "Function").values()
    assert function["Properties"]["Layers"][0] == ARN
    assert len(function["Properties"]["Layers"]) == 2


@jsii.implements(IAspect)
class Replacing:
    def __init__(self, layers):
        self.layers = layers

    def visit(self, node):
        if isinstance(node, lambda_.CfnFunction):
            node.layers = self.layers


@jsii.implements(IStableListProducer)
class Produced:
    def produce(self):
        return [ARN]


@pytest.mark.parametrize("kind", ["list", "lazy list", "list with the layer of another stack"])
def test_a_list_that_an_aspect_assigned_is_extended(app, stack, entry, kind):
    owner = Stack(app, "Owner")
    theirs = lambda_.LayerVersion(
        owner, "Theirs", code=lambda_.Code.from_asset(str(write_files(entry / "l", {"a": ""})))
    )
    layers = {"list": [ARN], "lazy list": Lazy.list(Produced())}.get(kind, [theirs.layer_version_arn])
    # Beside the five that Lambda takes, and that aren't there any more.
    given = [lambda_.LayerVersion.from_layer_version_arn(stack, f"L{number}", f"{ARN}{number}") for number in range(5)]
    define(stack, entry, layers=given)
    Aspects.of(stack).add(Replacing(layers))
    app.synth()
    (function,) = resources(stack, "Function").values()
    first, second = function["Properties"]["Layers"]
    assert first == ARN or next(iter(first)) == "Fn::ImportValue"
    assert second["Ref"].startswith("PythonDependencies")


def test_the_layer_comes_after_those_of_other_stacks_and_of_parts(app, stack, entry):
    owner = Stack(app, "Owner")
    code = lambda_.Code.from_asset(str(write_files(entry / "l", {"a": ""})))
    theirs = lambda_.LayerVersion(owner, "Theirs", code=code)
    parts = lambda_.LayerVersion.from_layer_version_arn(stack, "Parts", f"arn:{Aws.PARTITION}:lambda:eu:1:layer:o:1")
    define(stack, entry, layers=[theirs, parts])
    app.synth()
    (function,) = resources(stack, "Function").values()
    assert [next(iter(one)) for one in function["Properties"]["Layers"]] == ["Fn::ImportValue", "Fn::Join", "Ref"]


def test_a_sixth_layer_is_an_error_that_can_be_acknowledged(app, stack, entry):
    given = [lambda_.LayerVersion.from_layer_version_arn(stack, f"L{number}", f"{ARN}{number}") for number in range(5)]
    define(stack, entry, layers=given)
    with pytest.raises(RuntimeError, match="has 5 layers, and"):
        app.synth()
    other = Stack(App(outdir=str(entry.parent / "other")), "Stack")
    given = [lambda_.LayerVersion.from_layer_version_arn(other, f"L{number}", f"{ARN}{number}") for number in range(5)]
    define(other, entry, layers=given, packaging=Packaging(dependencies="layer", acknowledge=["too-many-layers"]))
    (function,) = resources(other, "Function").values()
    assert len(function["Properties"]["Layers"]) == 6


def test_a_version_follows_the_content_of_the_layer(tmp_path):
    def versions(content):
        app = App(outdir=str(tmp_path / "cdk.out"))
        stack = Stack(app, "Stack")
        define(stack, write_entry(tmp_path / "svc", content), "F").current_version  # noqa: B018 - CDK makes it
        shared = PythonLayerVersion(stack, "L", entry=tmp_path / "svc", compatible_runtimes=[RUNTIME])
        bare = write_files(tmp_path / "bare", {"app.py": HANDLER})
        PythonFunction(stack, "G", entry=bare, runtime=RUNTIME, layers=[shared]).current_version  # noqa: B018
        return {name[0]: name for name in resources(stack, "Version")}

    one, two, again = versions("X = 1\n"), versions("X = 2\n"), versions("X = 1\n")
    assert one == again
    assert all(one[name] != two[name] for name in "FG")


@pytest.mark.parametrize(("policy", "kept"), [(None, "Delete"), ("retain", "Retain")])
def test_the_removal_policy_is_an_option(stack, entry, policy, kept):
    define(stack, entry, packaging=Packaging(dependencies="layer", layer_removal_policy=policy))
    (layer,) = resources(stack, "LayerVersion").values()
    assert layer.get("DeletionPolicy", "Delete") == kept


def test_other_constructs_refuse_the_option_and_ignore_the_default(tmp_path, entry):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"cdk-lambda-package:dependencies": "layer"})
    stack = Stack(app, "Stack")
    code = PythonCode(entry=entry)
    lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    assert names_of(app, stack) == []
    assert names(code.deployment_package) == ["app.py", "lib.py"]


def names_of(app, stack):
    app.synth()
    return list(resources(stack, "LayerVersion"))


def test_code_of_another_construct_refuses_a_layer(app, stack, entry):
    code = PythonCode(entry=entry, packaging=LAYER)
    lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    with pytest.raises(RuntimeError, match="which only PythonFunction can do"):
        app.synth()


def test_a_stack_that_isnt_bundled_has_no_layer(tmp_path, entry):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": []})
    stack = Stack(app, "Stack")
    assert define(stack, entry).deployment_package is None
    assert names_of(app, stack) == []


def test_a_function_takes_everything_about_packaging_from_its_code(app, stack, entry):
    code = PythonCode(entry=entry, packaging=LAYER)
    functions = [PythonFunction(stack, name, code=code, runtime=RUNTIME) for name in ("F", "G")]
    app.synth()
    assert len(resources(stack, "LayerVersion")) == 1
    assert code.deployment_package.package_key == functions[0].deployment_package.package_key
    for name, value in {"entry": entry, "index": "app.py", "packaging": LAYER}.items():
        with pytest.raises(PackageError, match=f"{name}= has no place beside it"):
            PythonFunction(stack, "H", code=code, runtime=RUNTIME, **{name: value})
    with pytest.raises(PackageError, match="entry is None; give a path"):
        PythonFunction(stack, "H", runtime=RUNTIME)


def test_a_layer_of_requirements_alone_is_for_one_runtime_or_several(app, stack, entry):
    file = entry / "requirements.txt"
    one = PythonLayerVersion(stack, "One", requirements=file, compatible_runtimes=[RUNTIME])
    runtimes = [RUNTIME, lambda_.Runtime.PYTHON_3_12]
    two = PythonLayerVersion(
        stack, "Two", requirements=file, compatible_runtimes=runtimes, removal_policy=RemovalPolicy.RETAIN
    )
    app.synth()
    assert names(one.deployment_package) == [f"{ROOT}/lib.py"]
    assert names(two.deployment_package) == ["python/lib.py"]
    made = {name[:3]: one for name, one in resources(stack, "LayerVersion").items()}
    assert made["One"]["Properties"]["CompatibleArchitectures"] == ["x86_64"]
    assert made["Two"]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("name", ["include", "exclude"])
def test_a_layer_of_requirements_alone_has_no_files_to_choose(stack, entry, name):
    file = entry / "requirements.txt"
    with pytest.raises(PackageError, match=f"{name} is about files of an entry directory"):
        PythonLayerVersion(stack, "L", requirements=file, compatible_runtimes=[RUNTIME], packaging={name: ["*.txt"]})


def test_one_package_for_all_that_a_layer_is_for_is_needed(app, stack, tmp_path):
    entry = write_files(tmp_path / "svc", {"vendor/own.so": elf(symbols=("PyInit_own",))})
    architectures = [lambda_.Architecture.X86_64, lambda_.Architecture.ARM_64]
    PythonLayerVersion(stack, "L", entry=entry, compatible_runtimes=[RUNTIME], compatible_architectures=architectures)
    with pytest.raises(
        RuntimeError, match=r"none for python3\.13 arm64: .*\n?.*Make a layer for each, with its own"
    ) as caught:
        app.synth()
    # The default of this construct is one architecture.
    assert "without the latter" not in str(caught.value)


def test_a_layer_needs_an_entry_or_requirements(stack, entry):
    for sources in ({}, {"entry": entry, "requirements": entry / "requirements.txt"}):
        with pytest.raises(PackageError, match="Give one of both"):
            PythonLayerVersion(stack, "L", compatible_runtimes=[RUNTIME], **sources)


def plain_function(scope, *layers):
    """Define a function of CDK's own."""
    code = lambda_.Code.from_inline("handler = print")
    return lambda_.Function(scope, "F", code=code, handler="index.handler", runtime=RUNTIME, layers=[*layers])


@pytest.mark.parametrize("nested", [False, True])
def test_a_layer_that_another_stack_uses_is_a_warning(app, stack, entry, nested):
    layer = PythonLayerVersion(
        NestedStack(stack, "Nested") if nested else stack, "L", entry=entry, compatible_runtimes=[RUNTIME]
    )
    other = PythonLayerVersion(stack, "Other", entry=entry, compatible_runtimes=[RUNTIME])
    plain_function(Stack(app, "Using"), layer)
    # To and from nested stacks, references are parameters and outputs, which can be replaced.
    plain_function(stack, layer, other)
    plain_function(NestedStack(stack, "Inner"), layer, other)
    app.synth()
    annotations = Annotations.from_stack(stack)
    text = Match.string_like_regexp(f"Another stack uses {layer.node.path}, so that its version is exported")
    annotations.has_warning(f"/{layer.node.path}/Resource", text)
    Annotations.from_stack(stack).has_no_warning("/Stack/Other/Resource", Match.any_value())


def test_a_layer_in_its_own_stack_alone_is_no_warning(app, stack, entry):
    layer = PythonLayerVersion(stack, "L", entry=entry, compatible_runtimes=[RUNTIME])
    plain_function(stack, layer)
    define(NestedStack(stack, "Nested"), entry, layers=[layer], packaging=None)
    app.synth()
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("exported"))


def fix_by_id(layer):
    layer.node.default_child.override_logical_id("Mine")


def fix_by_export(layer):
    layer.stack.export_value(layer.layer_version_arn)


@pytest.mark.parametrize(
    ("fix", "why"), [(fix_by_id, "you chose it"), (fix_by_export, "Stack.export_value exports it")]
)
@pytest.mark.parametrize("flag", [False, True])
def test_a_fixed_logical_id_stays_and_the_flag_is_named_that_versions_need(tmp_path, fix, why, flag):
    def synthesize(content):
        app = App(
            outdir=str(tmp_path / "cdk.out"),
            context={"@aws-cdk/aws-lambda:recognizeLayerVersion": True} if flag else {},
        )
        stack = Stack(app, "Stack")
        entry = write_entry(tmp_path / "svc", content)
        layer = PythonLayerVersion(stack, "L", entry=entry, compatible_runtimes=[RUNTIME])
        fix(layer)
        plain_function(stack, layer).current_version  # noqa: B018 - CDK makes it
        app.synth()
        warned = Annotations.from_stack(stack).find_warning(
            "*", Match.string_like_regexp(f"{re.escape(why)}.*recognizeLayer")
        )
        return [*resources(stack, "LayerVersion")], [*resources(stack, "Version")], len(warned)

    (layers, versions, warned), (layers_then, versions_then, _) = synthesize("X = 1\n"), synthesize("X = 2\n")
    assert layers == layers_then
    assert (versions != versions_then) == flag
    assert warned == (not flag)


def test_a_layer_of_functions_for_several_architectures_is_one(stack, entry):
    for name in ("ARM_64", "X86_64"):
        define(stack, entry, name, architecture=getattr(lambda_.Architecture, name))
    (layer,) = resources(stack, "LayerVersion").values()
    assert layer["Properties"]["Description"] == "Python dependencies"


def test_a_synthesis_with_other_dependencies_than_before_is_an_error(app, stack, entry):
    define(stack, entry)
    app.synth()
    app.synth(force=True)
    (entry / "requirements.txt").unlink()
    (entry / "app.py").write_text(HANDLER)
    with pytest.raises(RuntimeError, match="was synthesized before with other dependencies"):
        app.synth(force=True)


def test_what_code_knows_and_asks_for_holds_for_its_functions(stack, entry, tmp_path):
    code = PythonCode(entry=entry, environment={"A": "1", "B": "1"})
    function = PythonFunction(stack, "F", code=code, runtime=RUNTIME, environment={"B": "2"})
    assert function.packaged.request.environment == {"A": "1", "B": "2"}
    broken = write_files(tmp_path / "b", {"app.py": f"import nowhere\n{HANDLER}"})
    with pytest.raises(PackageError, match="'nowhere' is imported"):
        PythonFunction(stack, "G", code=PythonCode(entry=broken, on_error="raise"), runtime=RUNTIME)


# Lambda@Edge


def site(scope, version, *, path=None):
    """Define a distribution with a function for all paths, or for one."""
    edge = cloudfront.EdgeLambda(function_version=version, event_type=cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST)
    behavior = cloudfront.BehaviorOptions(origin=origins.HttpOrigin("example.com"), edge_lambdas=[edge])
    bare = cloudfront.BehaviorOptions(origin=origins.HttpOrigin("example.com"))
    return cloudfront.Distribution(
        scope,
        "Site",
        default_behavior=bare if path else behavior,
        additional_behaviors={path: behavior} if path else None,
    )


def bare_site(scope, version):
    """Define a distribution by its resource alone."""
    config = cloudfront.CfnDistribution.DistributionConfigProperty(
        enabled=True,
        default_cache_behavior=cloudfront.CfnDistribution.DefaultCacheBehaviorProperty(
            target_origin_id="o",
            viewer_protocol_policy="allow-all",
            lambda_function_associations=[
                cloudfront.CfnDistribution.LambdaFunctionAssociationProperty(
                    event_type="viewer-request", lambda_function_arn=version.function_arn
                )
            ],
        ),
    )
    return cloudfront.CfnDistribution(scope, "Site", distribution_config=config)


NORTH_VIRGINIA = Environment(account="123456789012", region="us-east-1")


@pytest.mark.parametrize("define_site", [site, bare_site, lambda scope, version: site(scope, version, path="/api/*")])
@pytest.mark.parametrize("own_version", [True, False])
def test_a_function_with_a_layer_cant_be_run_at_the_edge(app, entry, define_site, own_version):
    stack = Stack(app, "Stack", env=NORTH_VIRGINIA)
    edge, other = define(stack, entry, "F"), define(stack, entry, "G")
    other.current_version  # noqa: B018 - CDK makes it
    define_site(stack, lambda_.Version(stack, "V", lambda_=edge) if own_version else edge.current_version)
    with pytest.raises(RuntimeError, match="the distribution Stack/Site runs this function at the edge") as caught:
        app.synth()
    assert "[Stack/F/Resource]" in str(caught.value)
    assert "[Stack/G/Resource]" not in str(caught.value)


def test_the_distribution_may_be_in_another_stack(app, entry):
    stage = Stage(app, "Stage")
    stack = Stack(stage, "Stack", env=NORTH_VIRGINIA)
    other = Stack(stage, "Other", env=NORTH_VIRGINIA)
    site(NestedStack(other, "Nested"), define(stack, entry).current_version)
    with pytest.raises(RuntimeError, match="the distribution Stage/Other/Nested/Site runs this function"):
        app.synth()


def test_functions_at_the_edge_without_a_layer_are_right(tmp_path, entry):
    # Of the default of the whole app, there is a layer only where there are dependencies.
    app = App(outdir=str(tmp_path / "cdk.out"), context={"cdk-lambda-package:dependencies": "layer"})
    stack = Stack(app, "Stack", env=NORTH_VIRGINIA)
    bare = write_files(tmp_path / "bare", {"app.py": HANDLER})
    site(stack, define(stack, bare, packaging=None).current_version)
    whole = define(stack, entry, "Whole", packaging=Packaging(dependencies="package"))
    site(Stack(app, "Other", env=NORTH_VIRGINIA), whole.current_version)
    code = PythonCode(entry=entry)
    cloudfront.experimental.EdgeFunction(stack, "Edge", code=code, runtime=RUNTIME, handler="app.handler")
    app.synth()
    assert "lib.py" in names(code.deployment_package)
    assert names(whole.deployment_package) == ["app.py", "lib.py"]


def test_code_of_an_edge_function_refuses_a_layer(app, entry):
    stack = Stack(app, "Stack", env=NORTH_VIRGINIA)
    code = PythonCode(entry=entry, packaging=LAYER)
    cloudfront.experimental.EdgeFunction(stack, "Edge", code=code, runtime=RUNTIME, handler="app.handler")
    with pytest.raises(RuntimeError, match=r"packaging=Packaging\(dependencies='package'\)"):
        app.synth()
