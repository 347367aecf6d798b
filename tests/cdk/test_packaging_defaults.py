"""`PackagingDefaults`: options, runtime and architecture for the functions and layers below a scope."""

from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import aws_cdk
import jsii
from aws_cdk import App, Aspects, IAspect, Stack, Stage
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from constructs import Construct
from entries import HANDLER, write_files

from cdk_lambda_package import Packaging, PackagingDefaults, PythonCode, PythonFunction, PythonLayerVersion
from cdk_lambda_package.errors import OptionError, TargetError

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARM = lambda_.Architecture.ARM_64
X86 = lambda_.Architecture.X86_64
UNBUNDLED = {"aws:cdk:bundling-stacks": []}


@pytest.fixture(params=["bundled", "unbundled"])
def any_app(request, tmp_path):
    """An app that is bundled, and one that isn't."""
    return App(outdir=str(tmp_path / "cdk.out"), context=UNBUNDLED if request.param == "unbundled" else {})


def write_table(entry: Path, content: str) -> None:
    Path(entry, "pyproject.toml").write_text(f"[tool.cdk-lambda-package]\n{content}\n")


def architectures(stack: Stack, kind: str = "Function", name: str = "Architectures") -> dict[str, object]:
    """The architectures of the functions or layers in a template, by their logical ids without the hash."""
    found = Template.from_stack(stack).find_resources(f"AWS::Lambda::{kind}").items()
    return {key[:-8]: one["Properties"].get(name) for key, one in found}


# -- packaging --


def test_the_nearest_scope_counts_whenever_it_is_set(any_app, entry):
    stage = Stage(any_app, "Beta")
    stack = Stack(stage, "Shop")
    inner = Construct(stack, "Inner")
    first = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    own = PythonFunction(inner, "G", entry=entry, runtime=RUNTIME, packaging=Packaging(chalice="slim"))
    other = PythonFunction(Stack(any_app, "Other"), "F", entry=entry, runtime=RUNTIME)
    PackagingDefaults.of(any_app).set(Packaging(slim=True, chalice="full", groups=["app"], extras=["app"]))
    PackagingDefaults.of(stack).set(Packaging(groups=["stack"], extras=["stack"]))
    PackagingDefaults.of(inner).set({"extras": ["inner"], "exclude": None})
    PackagingDefaults.of(own).set(Packaging(smoke=True))
    assert first.packaging.given == {"slim": True, "chalice": "full", "groups": ("stack",), "extras": ("stack",)}
    assert own.packaging.given == {
        "slim": True,
        "chalice": "slim",
        "groups": ("stack",),
        "extras": ("inner",),
        "smoke": True,
    }
    assert other.packaging.given == {"slim": True, "chalice": "full", "groups": ("app",), "extras": ("app",)}


def test_the_table_and_the_context_are_before_and_after_the_scopes(tmp_path, any_app, entry, monkeypatch):
    write_table(entry, "slim = true\nacknowledge = ['case-clash']")
    any_app.node.set_context("cdk-lambda-package:bytecode", "auto")
    any_app.node.set_context("cdk-lambda-package:chalice", "full")
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_SMOKE", "yes")
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_ACKNOWLEDGE", "path-conflict")
    PackagingDefaults.of(any_app).set(
        Packaging(slim=False, bytecode="off", acknowledge=["requirements-not-locked"]), entries_may_set=["acknowledge"]
    )
    stack = Stack(any_app, "Shop")
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    layer = PythonLayerVersion(stack, "L", entry=entry, compatible_runtimes=[RUNTIME])
    expected = {
        "slim": True,
        "bytecode": "off",
        "chalice": "full",
        "smoke": True,
        "acknowledge": ("case-clash", "requirements-not-locked", "path-conflict"),
    }
    assert function.packaging.given == expected
    assert layer.packaging.given == {**expected, "dependencies": "package"}
    code = PythonCode(entry=entry, packaging=Packaging(smoke=False))
    assert code.packaging == Packaging(smoke=False)
    # An entry directory needn't exist in a stack that isn't bundled.
    assert PythonFunction(stack, "G", entry=tmp_path / "no", runtime=RUNTIME).packaging.slim is False


def test_a_later_call_adds_to_the_scope_and_counts_where_both_set_an_option(app, stack, entry):
    defaults = PackagingDefaults.of(stack)
    defaults.set(Packaging(slim=True, chalice="full", acknowledge=["case-clash"]), entries_may_set=["build_image"])
    PackagingDefaults.of(stack).set(Packaging(slim=False, acknowledge=["path-conflict"]), architecture=ARM)
    write_table(entry, "build_image = 'image:1'")
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    assert function.packaging.given == {
        "slim": False,
        "chalice": "full",
        "acknowledge": ("path-conflict", "case-clash"),
        "build_image": "image:1",
    }
    PackagingDefaults.of(stack).set(entries_may_set=[])
    with pytest.raises(OptionError, match=r"pyproject\.toml: .*sets build_image, but it runs a container image"):
        assert function.packaging


def test_an_aspect_reads_the_packaging_of_each_function(app, stack, entry):
    seen = {}

    @jsii.implements(IAspect)
    class Policy:
        def visit(self, node):
            if isinstance(node, PythonFunction):
                seen[node.node.path] = node.packaging.value("require_hashes")

    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=entry, runtime=RUNTIME, packaging=Packaging(require_hashes=False))
    PackagingDefaults.of(app).set(Packaging(require_hashes=True))
    Aspects.of(app).add(Policy())
    app.synth()
    assert seen == {"Stack/F": True, "Stack/G": False}


def test_packages_are_made_as_the_defaults_say(app, stack, entry):
    write_files(entry, {"chalicelib/__init__.py": "", "chalicelib/notes.md": "", "chalicelib/old.md": ""})
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    code = PythonCode(entry=entry)
    plain = lambda_.Function(stack, "G", code=code, runtime=RUNTIME, handler="app.handler")
    own = PythonFunction(stack, "H", entry=entry, runtime=RUNTIME, packaging=Packaging(exclude=[]))
    PackagingDefaults.of(stack).set(Packaging(exclude=["*.md"], dependencies="layer"))
    PackagingDefaults.of(plain).set(Packaging(exclude=["old.md"]))
    app.synth()

    def names(package):
        return [file["path"] for file in package.manifest["files"] if file["path"].endswith(".md")]

    assert names(function.deployment_package) == []
    assert names(own.deployment_package) == ["chalicelib/notes.md", "chalicelib/old.md"]
    # The default `dependencies` is for functions that can have it.
    assert names(code.deployment_package) == ["chalicelib/notes.md"]


def test_an_error_of_a_table_is_one_of_its_function_alone(app, stack, entry, tmp_path):
    wrong = write_files(tmp_path / "wrong", {"app.py": HANDLER})
    write_table(wrong, "slm = true")
    PythonFunction(stack, "Wrong", entry=wrong, runtime=RUNTIME)
    other = PythonFunction(stack, "Other", entry=entry, runtime=RUNTIME)
    with pytest.raises(RuntimeError, match=r"\[Stack/Wrong/Resource\].*'slm', which is not an option; write slim"):
        app.synth()
    assert other.deployment_package is not None


# -- runtime --


def test_a_runtime_holds_for_what_is_constructed_afterwards(any_app, entry):
    stack = Stack(any_app, "Shop")
    with pytest.raises(OptionError, match=r"no PackagingDefaults\.of\(scope\)\.set\(runtime=…\) before this construct"):
        PythonFunction(stack, "F", entry=entry)
    PackagingDefaults.of(any_app).set(runtime=lambda_.Runtime.PYTHON_3_12)
    inner = Construct(stack, "Inner")
    PackagingDefaults.of(inner).set(runtime=RUNTIME)
    functions = [
        PythonFunction(stack, "A", entry=entry),
        PythonFunction(inner, "B", entry=entry),
        PythonFunction(inner, "C", entry=entry, runtime=lambda_.Runtime.PYTHON_3_11),
    ]
    layer = PythonLayerVersion(inner, "L", entry=entry)
    assert [one.runtime.name for one in functions] == ["python3.12", "python3.13", "python3.11"]
    assert [one.name for one in layer.compatible_runtimes] == ["python3.13"]


# -- architecture --


def test_an_architecture_holds_for_resources_without_one_whenever_it_is_set(any_app, entry):
    stack, other = Stack(any_app, "Shop"), Stack(any_app, "Other")
    inner = Construct(stack, "Inner")
    before = PythonFunction(stack, "A", entry=entry, runtime=RUNTIME)
    own = PythonFunction(stack, "B", entry=entry, runtime=RUNTIME, architecture=X86)
    lambda_.Function(stack, "C", code=PythonCode(entry=entry), runtime=RUNTIME, handler="app.handler")
    PackagingDefaults.of(any_app).set(architecture=ARM)
    near = PythonFunction(inner, "D", entry=entry, runtime=RUNTIME)
    PythonFunction(other, "A", entry=entry, runtime=RUNTIME)
    lambda_.Function(other, "B", code=lambda_.Code.from_inline("x"), runtime=RUNTIME, handler="index.x")
    PackagingDefaults.of(inner).set(architecture=X86)
    assert [one.node.default_child.architectures for one in (before, own, near)] == [["arm64"], ["x86_64"], ["x86_64"]]
    if stack.bundling_required:
        any_app.synth()
        assert [one.deployment_package.target.architecture for one in (before, own, near)] == [
            "arm64",
            "x86_64",
            "x86_64",
        ]
    assert architectures(stack) == {"A": ["arm64"], "B": ["x86_64"], "C": ["arm64"], "InnerD": ["x86_64"]}
    # CDK's own code is none of our business.
    assert architectures(other) == {"A": ["arm64"], "B": None}


def test_an_architecture_that_the_resource_has_wins(any_app, entry):
    stack = Stack(any_app, "Shop")
    PackagingDefaults.of(stack).set(architecture=ARM)
    functions = [PythonFunction(stack, name, entry=entry, runtime=RUNTIME) for name in "ABC"]

    @jsii.implements(IAspect)
    class Change:
        def visit(self, node):
            if isinstance(node, lambda_.CfnFunction) and node.node.path.startswith("Shop/C/"):
                node.architectures = ["x86_64"]

    Aspects.of(stack).add(Change())
    functions[1].node.default_child.architectures = ["x86_64"]
    PackagingDefaults.of(stack).set(architecture=ARM)
    assert architectures(stack) == {"A": ["arm64"], "B": ["x86_64"], "C": ["x86_64"]}


def test_a_package_that_is_made_at_once_is_for_the_default_architecture(app, stack, entry):
    PackagingDefaults.of(app).set(architecture=ARM)
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise")
    layer = PythonLayerVersion(stack, "L", entry=entry, compatible_runtimes=[RUNTIME], on_error="raise")
    assert function.deployment_package.target.architecture == "arm64"
    assert layer.deployment_package.target.architecture == "arm64"


def test_a_layer_has_the_default_architecture_unless_it_names_its_own(any_app, entry):
    stack = Stack(any_app, "Shop")
    options = {"entry": entry, "compatible_runtimes": [RUNTIME]}
    PythonLayerVersion(stack, "A", **options)
    PackagingDefaults.of(any_app).set(architecture=ARM)
    PythonLayerVersion(stack, "B", **options)
    PythonLayerVersion(stack, "C", compatible_architectures=[X86], **options)
    lambda_.LayerVersion(stack, "D", code=PythonCode(entry=entry), compatible_runtimes=[RUNTIME])
    # The id of a PythonLayerVersion has the digest of its content too.
    found = {key[:1]: value for key, value in architectures(stack, "LayerVersion", "CompatibleArchitectures").items()}
    assert found == {"A": ["arm64"], "B": ["arm64"], "C": ["x86_64"], "D": None}


def test_cdks_own_layers_of_a_function_are_for_the_default_architecture(any_app, entry):
    stack = Stack(any_app, "Shop", env={"region": "eu-central-1"})
    PackagingDefaults.of(stack).set(architecture=ARM)
    version = lambda_.LambdaInsightsVersion.VERSION_1_0_229_0
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, insights_version=version)
    (function,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert function["Properties"]["Architectures"] == ["arm64"]
    assert "Arm64" in str(function["Properties"]["Layers"])


def test_a_function_of_sam_has_the_default_architecture(any_app, entry):
    from aws_cdk import aws_sam as sam

    stack = Stack(any_app, "Shop")
    PackagingDefaults.of(stack).set(architecture=ARM)
    code = PythonCode(entry=entry)
    code.bind(stack)
    resource = sam.CfnFunction(stack, "F", runtime="python3.13", handler="app.handler", code_uri="x")
    code.bind_to_resource(resource)
    assert resource.architectures == ["arm64"]


# -- scopes --


def test_the_defaults_of_a_stack_without_an_app_hold(entry):
    stack = Stack()
    PackagingDefaults.of(stack.node.root).set(Packaging(slim=True), runtime=RUNTIME, architecture=ARM)
    function = PythonFunction(stack, "F", entry=entry)
    assert function.packaging.given == {"slim": True}
    assert function.node.default_child.architectures == ["arm64"]


def test_the_defaults_of_a_nested_stack_hold_in_it_alone(any_app, entry):
    from aws_cdk import NestedStack

    stack = Stack(any_app, "Shop")
    nested = NestedStack(stack, "Nested")
    functions = [PythonFunction(scope, "F", entry=entry, runtime=RUNTIME) for scope in (stack, nested)]
    PackagingDefaults.of(nested).set(Packaging(slim=True), architecture=ARM)
    assert [one.packaging.slim for one in functions] == [None, True]
    assert [one.node.default_child.architectures for one in functions] == [None, ["arm64"]]


def test_a_scope_whose_name_begins_alike_is_another_one(app, entry):
    first, second = Stack(app, "Shop"), Stack(app, "Shop2")
    PackagingDefaults.of(first).set(Packaging(slim=True))
    functions = [PythonFunction(scope, "F", entry=entry, runtime=RUNTIME) for scope in (first, second)]
    assert [one.packaging.slim for one in functions] == [True, None]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"packaging": {"slm": True}}, OptionError, "'slm', which is not an option; write slim"),
        ({"packaging": ["slim"]}, OptionError, "packaging is "),
        ({"packaging": {"requirements": aws_cdk.Lazy.string}}, OptionError, "requirements is "),
        ({"packaging": {"build_image": "${Token[AWS.Region.4]}"}}, OptionError, "build_image is a token"),
        ({"runtime": "python3.13"}, OptionError, "runtime is 'python3.13'; give one of CDK's"),
        ({"runtime": lambda_.Runtime.NODEJS_LATEST}, TargetError, "is not a Python runtime"),
        ({"architecture": "arm64"}, OptionError, "architecture is 'arm64'; give one of CDK's"),
        ({"entries_may_set": ["slim"]}, OptionError, "'slim' is none of the options that have to be allowed"),
        ({"entries_may_set": "build_image"}, OptionError, r"give a list of strings, such as \['build_image'\]"),
    ],
)
def test_a_wrong_value_is_an_error_at_once(app, options, error, said):
    with pytest.raises(error, match=said):
        PackagingDefaults.of(app).set(**options)


def test_a_scope_that_is_no_construct_is_an_error():
    with pytest.raises(OptionError, match=r"PackagingDefaults\.of has 'Shop'; give a construct"):
        PackagingDefaults.of("Shop")


def test_an_app_without_defaults_asks_cdk_nothing_for_a_function(any_app, entry, monkeypatch):
    stack = Stack(any_app, "Shop")
    PythonFunction(stack, "First", entry=entry, runtime=RUNTIME)
    from jsii import _kernel

    def count(name):
        messages = 0

        def counted(self, *arguments, **options):
            nonlocal messages
            messages += 1
            return original(self, *arguments, **options)

        original = _kernel.providers.process._NodeProcess.send
        monkeypatch.setattr(_kernel.providers.process._NodeProcess, "send", counted)
        PythonFunction(stack, name, entry=entry, runtime=RUNTIME)
        monkeypatch.undo()
        return messages

    without = count("A")
    PackagingDefaults.of(Stack(any_app, "Other")).set(Packaging(slim=True), architecture=ARM)
    assert count("B") == without
    PackagingDefaults.of(any_app).set(Packaging(slim=True))
    assert count("C") == without


def test_earlier_output_stays_out_of_a_package_beside_a_default(tmp_path, entry):
    write_files(entry, {"README.md": "", "notes.txt": "", "out/old.txt": ""})
    app = App(outdir=str(entry / "out"))
    PackagingDefaults.of(app).set(Packaging(include=["**"], exclude=["*.md"]))
    function = PythonFunction(Stack(app, "Shop"), "F", entry=entry, runtime=RUNTIME)
    app.synth()
    assert [file["path"] for file in function.deployment_package.manifest["files"]] == ["app.py", "notes.txt"]
