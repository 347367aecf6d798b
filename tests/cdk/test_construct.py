"""The construct, in templates that the real aws_cdk renders."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import jsii
from aws_cdk import Annotations as CdkAnnotations
from aws_cdk import (
    App,
    CfnParameter,
    Duration,
    IStableStringProducer,
    Lazy,
    Stack,
    Stage,
    Token,
    triggers,
)
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template
from entries import write_files
from wheel_factory import build_wheel

from cdk_lambda_package import Packaging, PythonCode, PythonFunction
from cdk_lambda_package.errors import (
    ContentError,
    EntryError,
    FindingsError,
    OptionError,
    PackageError,
    RequirementSyntaxError,
)

# One worker starts node, not all of them.
pytestmark = [pytest.mark.xdist_group("cdk"), pytest.mark.usefixtures("own_cache")]

RUNTIME = lambda_.Runtime.PYTHON_3_13


def function_properties(stack: Stack) -> dict:
    (function,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    return function["Properties"]


def assets(stack: Stack) -> list[Path]:
    outdir = Path(stack.node.root.synth().directory)
    return sorted(path for path in outdir.iterdir() if path.name.startswith("asset."))


def test_a_function_has_its_handler_runtime_architecture_and_code(stack, entry):
    PythonFunction(stack, "F", entry=str(entry), runtime=RUNTIME)
    properties = function_properties(stack)
    assert properties["Handler"] == "app.handler"
    assert properties["Runtime"] == "python3.13"
    # Not given to CDK: an injector or an aspect may set it.
    assert "Architectures" not in properties
    assert properties["Code"]["S3Key"].endswith(".zip")


def test_the_architecture_is_the_functions_too(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, architecture=lambda_.Architecture.ARM_64)
    assert function_properties(stack)["Architectures"] == ["arm64"]


def test_every_other_prop_passes_through(stack, entry):
    PythonFunction(
        stack,
        "F",
        entry=entry,
        runtime=RUNTIME,
        timeout=Duration.seconds(7),
        memory_size=512,
        environment={"STAGE": "test"},
        description="told",
        tracing=lambda_.Tracing.ACTIVE,
    )
    properties = function_properties(stack)
    assert (properties["Timeout"], properties["MemorySize"], properties["Description"]) == (7, 512, "told")
    assert properties["Environment"] == {"Variables": {"STAGE": "test"}}
    assert properties["TracingConfig"] == {"Mode": "Active"}


def test_an_unknown_prop_is_an_error(stack, entry):
    with pytest.raises(TypeError, match="memory"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, memory=512)


def test_the_function_can_be_used_like_any_other(stack, entry):
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    function.add_environment("LATER", "yes")
    assert isinstance(function, lambda_.Function)
    assert function_properties(stack)["Environment"] == {"Variables": {"LATER": "yes"}}


def test_the_zip_is_written_once_where_cdk_looks_for_it(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    (asset,) = assets(stack)
    assert asset.suffix == ".zip"
    key = function_properties(stack)["Code"]["S3Key"]
    assert asset.name == f"asset.{key}"


def test_functions_alike_share_one_asset(stack, entry):
    for name in ("F", "G", "H"):
        PythonFunction(stack, name, entry=entry, runtime=RUNTIME)
    assert len(assets(stack)) == 1


def test_functions_with_other_options_do_not(stack, entry):
    write_files(entry, {"chalicelib/a.py": "", "chalicelib/b.json": "{}"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=entry, runtime=RUNTIME, packaging=Packaging(exclude=["*.json"]))
    assert len(assets(stack)) == 2


def test_an_index_in_a_folder_is_a_dotted_handler(stack, entry):
    write_files(entry, {"inner/custom.py": "def run(event, context):\n    return 1\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, index="inner/custom.py", handler="run")
    assert function_properties(stack)["Handler"] == "inner.custom.run"


def test_the_handler_is_found_in_the_module(stack, entry):
    write_files(entry, {"app.py": "from chalice import Chalice\napi = Chalice(app_name='x')\n"})
    # chalice itself isn't wanted here: no index is asked.
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(provided=["chalice"]))
    assert function_properties(stack)["Handler"] == "app.api"


def test_a_dotted_handler_names_the_module_too(stack, entry):
    write_files(entry, {"inner/custom.py": "def run(event, context):\n    return 1\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="inner.custom.run")
    assert function_properties(stack)["Handler"] == "inner.custom.run"


def test_a_dotted_handler_beside_an_index_must_be_in_the_package_too(stack, entry):
    write_files(entry, {"inner/custom.py": "def run(event, context):\n    return 1\n"})
    options = {"index": "app.py", "handler": "inner.custom.run", "on_error": "raise"}
    with pytest.raises(FindingsError, match=r"inner/ is in the entry directory, but isn't packaged: set .*inner/\*\*"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, **options)


def test_a_dotted_handler_beside_an_index_may_be_in_a_folder_that_is_included(stack, entry):
    write_files(entry, {"inner/custom.py": "def run(event, context):\n    return 1\n"})
    options = {"index": "app.py", "handler": "inner.custom.run", "packaging": Packaging(include=["inner/"])}
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, **options)
    assert function_properties(stack)["Handler"] == "inner.custom.run"


def test_without_app_py_the_module_is_index_py(stack, entry):
    (entry / "app.py").rename(entry / "index.py")
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    assert function_properties(stack)["Handler"] == "index.handler"


def test_an_index_that_is_not_there_is_an_error_that_names_the_path(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, index="other.py")
    with pytest.raises(RuntimeError, match=r"other\.py.*doesn't exist; the entry directory has app\.py"):
        stack.node.root.synth()


def test_an_index_that_is_not_a_module_is_an_error(stack, entry):
    with pytest.raises(EntryError, match=r"'app\.js'.*doesn't end in \.py"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, index="app.js")


def test_a_star_import_may_define_any_handler(stack, entry):
    write_files(entry, {"app.py": "from chalicelib.all import *\n", "chalicelib/all.py": "def run(e, c): ...\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, handler="run")
    assert function_properties(stack)["Handler"] == "app.run"


def test_a_missing_entry_is_raised_at_once_where_that_is_asked_for(stack, tmp_path):
    with pytest.raises(EntryError, match="nowhere"):
        PythonFunction(stack, "F", entry=tmp_path / "nowhere", runtime=RUNTIME, on_error="raise")


def test_a_runtime_that_is_not_python_is_an_error_that_lists_what_is_accepted(stack, entry):
    with pytest.raises(PackageError, match=r"nodejs22\.x.*python3\.13"):
        PythonFunction(stack, "F", entry=entry, runtime=lambda_.Runtime.NODEJS_22_X)


def test_a_custom_architecture_is_an_error_that_lists_what_is_accepted(stack, entry):
    with pytest.raises(PackageError, match=r"riscv.*x86_64 and arm64"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, architecture=lambda_.Architecture.custom("riscv"))


def test_a_token_as_entry_is_an_error(stack):
    parameter = CfnParameter(stack, "Where")
    assert Token.is_unresolved(parameter.value_as_string)
    with pytest.raises(OptionError, match="entry is a token"):
        PythonFunction(stack, "F", entry=parameter.value_as_string, runtime=RUNTIME)


def test_a_stack_that_is_not_bundled_reads_and_lists_nothing(tmp_path):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": []})
    stack = Stack(app, "Stack")
    PythonFunction(stack, "F", entry=tmp_path / "nowhere", runtime=RUNTIME)
    assert function_properties(stack)["Runtime"] == "python3.13"
    assert assets(stack) == []
    assert not (tmp_path / "cache").exists()


def test_only_the_stacks_that_are_bundled_are_packaged(tmp_path, entry):
    app = App(outdir=str(tmp_path / "cdk.out"), context={"aws:cdk:bundling-stacks": ["Wanted"]})
    wanted = Stack(app, "Wanted")
    PythonFunction(wanted, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(Stack(app, "Other"), "F", entry=tmp_path / "nowhere", runtime=RUNTIME)
    assert len(assets(wanted)) == 1


def write_conflict(entry: Path) -> None:
    """Require two distributions that have another LICENSE at the same path, from a folder of wheels: no index is asked."""
    write_files(entry, {"requirements.txt": "--no-index\n--find-links ./wheels\none\ntwo\n"})
    for name in ("one", "two"):
        build_wheel(entry / "wheels", name, files={f"{name}.py": "", "LICENSE": name})


def test_a_warning_is_acknowledgeable_by_its_id(stack, entry):
    write_conflict(entry)
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    (warning,) = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert "LICENSE" in str(warning.entry.data)
    assert "[ack: cdk-lambda-package:path-conflict-data]" in str(warning.entry.data)


def test_an_acknowledged_finding_is_no_warning(stack, entry):
    write_conflict(entry)
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["path-conflict-data"]))
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_cdks_own_acknowledgement_silences_a_finding_too(stack, entry):
    write_conflict(entry)
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    CdkAnnotations.of(function).acknowledge_warning("cdk-lambda-package:path-conflict-data")
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_the_context_acknowledges_for_all_functions(tmp_path, entry):
    write_conflict(entry)
    accepted = ["requirements-not-locked:requirements.txt", "path-conflict-data"]
    context = {"cdk-lambda-package:acknowledge": accepted}
    stack = Stack(App(outdir=str(tmp_path / "cdk.out"), context=context), "Stack")
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["case-clash"]))
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []
    assert Annotations.from_stack(stack).find_info("*", Match.any_value()) == []


def test_an_acknowledgement_of_nothing_that_there_is_is_an_error(stack, entry):
    with pytest.raises(OptionError, match="the nearest are requirements-not-locked"):
        PythonFunction(
            stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(acknowledge=["requirements-locked"])
        )


def test_an_import_that_couldnt_be_tried_is_told_where_that_was_asked_for(stack, entry, monkeypatch, tmp_path):
    write_files(entry, {"requirements.txt": ""})
    monkeypatch.setenv("PATH", str(tmp_path))
    other = lambda_.Runtime.PYTHON_3_10
    PythonFunction(stack, "F", entry=entry, runtime=other, packaging=Packaging(smoke=True))
    PythonFunction(stack, "G", entry=entry, runtime=other)
    (note,) = Annotations.from_stack(stack).find_info("*", Match.any_value())
    assert note.id == "/Stack/F/Resource"
    assert "there is no python3.10 on PATH" in str(note.entry.data)
    # It isn't a warning, to which CDK would append how to acknowledge it, with the id.
    assert str(note.entry.data).endswith(" [smoke-skipped]")
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_an_import_that_proves_nothing_about_a_library_is_told_where_that_was_asked_for(stack, entry):
    runtime = getattr(lambda_.Runtime, "PYTHON_{}_{}".format(*sys.version_info[:2]))
    source = "import ctypes\ndef handler(event, context):\n    return ctypes.CDLL('libnowhere.so.1')\n"
    write_files(entry, {"app.py": source, "requirements.txt": ""})
    PythonFunction(stack, "F", entry=entry, runtime=runtime, packaging=Packaging(smoke=True))
    PythonFunction(stack, "G", entry=entry, runtime=runtime)
    (note,) = Annotations.from_stack(stack).find_info("*", Match.any_value())
    assert note.id == "/Stack/F/Resource"
    assert "proves nothing about libraries" in str(note.entry.data)


def test_the_import_is_tried_with_the_functions_variables(stack, entry):
    runtime = getattr(lambda_.Runtime, "PYTHON_{}_{}".format(*sys.version_info[:2]))
    write_files(entry, {"app.py": """
        import os
        assert os.environ["TABLE"] == "known-at-deployment", os.environ["TABLE"]
        assert os.environ["MODE"] == "quick"

        def handler(event, context):
            return event
        """})  # fmt: skip
    table = CfnParameter(stack, "Table").value_as_string
    options = {"packaging": {"smoke": True}, "on_error": "raise"}
    variables = {"TABLE": table, "MODE": "quick"}
    PythonFunction(stack, "F", entry=entry, runtime=runtime, environment=variables, **options)
    with pytest.raises(PackageError, match="AssertionError"):
        PythonFunction(stack, "G", entry=entry, runtime=runtime, environment={**variables, "MODE": "slow"}, **options)


def test_a_lone_string_for_a_list_is_an_error(stack, entry):
    with pytest.raises(OptionError, match="exclude"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, packaging=Packaging(exclude="*.json"))


def test_importing_the_core_does_not_import_aws_cdk():
    probe = "import sys, cdk_lambda_package as p; p.Target, p.PackageError, p.Finding, p.Store; print('aws_cdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "False", done.stderr


def test_the_asset_is_named_by_the_content(stack, entry, tmp_path):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    moved = write_files(tmp_path / "elsewhere", {"app.py": (entry / "app.py").read_text()})
    PythonFunction(stack, "G", entry=moved, runtime=RUNTIME)
    (asset,) = assets(stack)
    assert len(asset.stem.removeprefix("asset.")) == len(hashlib.sha256().hexdigest())


def test_what_is_wrong_with_several_functions_is_shown_by_one_synthesis(stack, entry, tmp_path):
    write_files(entry, {"requirements.txt": "boto3=1.19\n"})
    other = write_files(tmp_path / "other", {"app.py": "def handler(e, c): ...\n", "requirements.txt": "flask=>2.0\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=other, runtime=RUNTIME)
    with pytest.raises(RuntimeError) as raised:
        stack.node.root.synth()
    assert "write 'boto3==1.19'" in str(raised.value)
    assert "write 'flask>=2.0'" in str(raised.value)


def test_files_that_cant_be_packaged_are_shown_beside_what_is_wrong_with_other_functions(stack, entry, tmp_path):
    (entry / "vendor").mkdir()
    (entry / "vendor" / "app.py").touch()
    (entry / "vendor" / "data").symlink_to("gone")
    other = write_files(tmp_path / "other", {"app.py": "def handler(e, c): ...\n", "requirements.txt": "flask=>2.0\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=other, runtime=RUNTIME)
    with pytest.raises(RuntimeError) as raised:
        stack.node.root.synth()
    assert "vendor/ has app.py" in str(raised.value)
    assert "leads nowhere" in str(raised.value)
    assert "write 'flask>=2.0'" in str(raised.value)


def test_files_that_cant_be_packaged_are_raised_at_once_where_that_is_asked_for(stack, entry):
    (entry / "chalicelib").symlink_to("gone")
    with pytest.raises(ContentError, match="leads nowhere"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise")


def test_broken_content_is_raised_at_once_where_that_is_asked_for(stack, entry):
    write_files(entry, {"requirements.txt": "boto3=1.19\n"})
    with pytest.raises(RequirementSyntaxError, match=r"write 'boto3==1\.19'"):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, on_error="raise")


def test_the_code_serves_a_plain_function(stack, entry):
    code = PythonCode(entry=entry)
    lambda_.Function(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    assert function_properties(stack)["Code"]["S3Key"].endswith(".zip")


def test_the_code_serves_a_singleton_function(stack, entry):
    code = PythonCode(entry=entry)
    lambda_.SingletonFunction(stack, "F", uuid="one", code=code, runtime=RUNTIME, handler="app.handler")
    assert function_properties(stack)["Code"]["S3Key"].endswith(".zip")


def test_the_code_serves_a_trigger(stack, entry):
    code = PythonCode(entry=entry)
    triggers.TriggerFunction(stack, "F", code=code, runtime=RUNTIME, handler="app.handler")
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert any(function["Properties"].get("Handler") == "app.handler" for function in functions)


@pytest.mark.parametrize("name", ["runtime", "architecture"])
def test_a_target_that_is_known_only_at_deployment_cant_be_verified(stack, entry, name):
    resource = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME).node.default_child
    if name == "runtime":
        resource.runtime = CfnParameter(stack, "Late").value_as_string
    else:
        resource.architectures = [CfnParameter(stack, "Late").value_as_string]
    with pytest.raises(RuntimeError) as raised:
        stack.node.root.synth()
    assert f"The function's {name} is " in str(raised.value)
    assert "Late" in str(raised.value)
    assert "Token[" not in str(raised.value)


@jsii.implements(IStableStringProducer)
class _Produce:
    def __init__(self, text):
        self._text = text

    def produce(self):
        return self._text


def test_a_target_that_is_known_when_the_app_is_synthesized_is_compared(stack, entry):
    resource = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME).node.default_child
    resource.runtime = Lazy.string(_Produce("python3.13"))
    resource.architectures = [Lazy.string(_Produce("x86_64"))]
    assert function_properties(stack)["Runtime"] == "python3.13"


def test_a_package_is_for_the_target_that_is_known_when_the_app_is_synthesized(stack, entry):
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    function.node.default_child.architectures = [Lazy.string(_Produce("arm64"))]
    stack.node.root.synth()
    assert str(function.deployment_package.target) == "python3.13 arm64"


def test_an_asset_hash_of_ones_own_names_the_asset_and_not_what_is_in_it(stack, entry):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, asset_hash="release-1")
    key = function_properties(stack)["Code"]["S3Key"]
    assert key == f"{hashlib.sha256(b'release-1').hexdigest()}.zip"
    outdir = Path(stack.node.root.synth().directory)
    with zipfile.ZipFile(outdir / f"asset.{key}") as package:
        assert package.namelist() == ["app.py"]


def test_a_truncated_asset_with_a_hash_of_ones_own_is_written_again(entry, tmp_path):
    for _ in range(2):
        stack = Stack(App(outdir=str(tmp_path / "cdk.out")), "Stack")
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, asset_hash="release-1")
        (asset,) = assets(stack)
        assert zipfile.ZipFile(asset).namelist() == ["app.py"]
        asset.write_bytes(asset.read_bytes()[:30])


def test_one_asset_hash_for_two_packages_is_an_error(stack, entry, tmp_path):
    other = write_files(tmp_path / "other", {"app.py": "def handler(e, c): ...\n"})
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, asset_hash="release-1")
    PythonFunction(stack, "G", entry=entry, runtime=RUNTIME, asset_hash="release-1")
    PythonFunction(stack, "H", entry=other, runtime=RUNTIME, asset_hash="release-1")
    with pytest.raises(RuntimeError, match=r"\[Stack/H/Resource\] .*asset_hash 'release-1' is already that of another"):
        stack.node.root.synth()


def test_a_pure_package_is_one_asset_for_both_architectures(stack, entry):
    write_conflict(entry)
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    PythonFunction(stack, "G", entry=entry, runtime=RUNTIME, architecture=lambda_.Architecture.ARM_64)
    # The functions differ all the same.
    assert len(assets(stack)) == 1


@pytest.mark.parametrize("context", [{}, {"aws:cdk:bundling-stacks": []}])
def test_a_runtime_that_cdk_has_no_constant_for_works_bundled_and_not(tmp_path, entry, context):
    app = App(outdir=str(tmp_path / "cdk.out"), context=context)
    stack = Stack(app, "Stack")
    PythonFunction(stack, "F", entry=entry, runtime=lambda_.Runtime("python3.13", lambda_.RuntimeFamily.PYTHON))
    assert function_properties(stack)["Runtime"] == "python3.13"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"runtime": "python3.13"}, "runtime is 'python3.13'; give one of CDK's"),
        ({"architecture": "arm64"}, "architecture is 'arm64'; give one of CDK's"),
        ({"on_error": "rasie"}, "on_error is 'rasie'; give 'validate' or 'raise'"),
    ],
)
def test_a_value_of_another_type_is_an_error_that_shows_one_that_fits(stack, entry, option, message):
    with pytest.raises(OptionError, match=message):
        PythonFunction(stack, "F", **{"entry": entry, "runtime": RUNTIME, **option})


def test_bundling_is_an_error_with_the_replacements_of_its_options(stack, entry):
    options = {"asset_excludes": [".venv"], "environment": {"PIP_INDEX_URL": "x"}}
    with pytest.raises(OptionError, match=r"asset_excludes: .*exclude=(.|\n)*environment: .*pip_environment="):
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, bundling=options)


def test_stacks_and_stages_share_one_asset(tmp_path, entry):
    app = App(outdir=str(tmp_path / "cdk.out"))
    stage = Stage(app, "Stage")
    for scope in (Stack(app, "One"), Stack(app, "Two"), Stack(stage, "Three")):
        PythonFunction(scope, "F", entry=entry, runtime=RUNTIME)
    app.synth()
    found = [path.name for path in (tmp_path / "cdk.out").rglob("asset.*.zip")]
    assert len(found) == 1


def test_a_truncated_asset_is_written_again(stack, entry, tmp_path):
    PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    (asset,) = assets(stack)
    whole = asset.read_bytes()
    asset.write_bytes(whole[: len(whole) // 2])
    again = Stack(App(outdir=str(tmp_path / "cdk.out")), "Stack")
    PythonFunction(again, "F", entry=entry, runtime=RUNTIME, on_error="raise")
    assert asset.read_bytes() == whole
    assert [path.read_bytes() for path in assets(again)] == [whole]


def test_commands_have_a_say_in_the_package(stack, entry):
    PythonFunction(
        stack,
        "F",
        entry=entry,
        runtime=RUNTIME,
        packaging=Packaging(
            before_packaging=[["mkdir", "chalicelib"], ["touch", "chalicelib/__init__.py"]],
            after_packaging=[["touch", "built"]],
        ),
    )
    (asset,) = assets(stack)
    with zipfile.ZipFile(asset) as package:
        assert sorted(package.namelist()) == ["app.py", "built", "chalicelib/__init__.py"]
    assert sorted(path.name for path in entry.iterdir()) == ["app.py"]


def test_a_function_says_what_was_packaged_for_it(stack, entry, tmp_path):
    function = PythonFunction(stack, "F", entry=entry, runtime=RUNTIME)
    stack.node.root.synth()
    assert function.deployment_package.manifest["target"]["runtime"] == "python3.13"
    assert function.deployment_package.sbom["metadata"]["component"]["name"] == "svc"
    unbundled = Stack(App(outdir=str(tmp_path / "other"), context={"aws:cdk:bundling-stacks": []}), "Stack")
    assert PythonFunction(unbundled, "F", entry=entry, runtime=RUNTIME).deployment_package is None


@pytest.mark.parametrize("option", [{"exclude": ["*.md"]}, {"smoke": True}, {"pip_environment": {"TOKEN": "secret"}}])
def test_an_option_of_the_package_as_a_prop_is_an_error_that_shows_the_line_to_write(stack, entry, option):
    (name,) = option
    with pytest.raises(
        OptionError, match=rf"^{name}= is an option of the package\. Write packaging=Packaging\({name}="
    ) as raised:
        PythonFunction(stack, "F", entry=entry, runtime=RUNTIME, **option)
    assert "secret" not in str(raised.value)
    with pytest.raises(OptionError, match=rf"^{name}= is an option of the package"):
        PythonCode(entry=entry, **option)


def test_the_runtime_of_the_context_or_the_environment_is_the_default(tmp_path, entry, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_RUNTIME", "python3.12")
    by_environment = Stack(App(outdir=str(tmp_path / "one")), "Stack")
    context = {"cdk-lambda-package:runtime": "python3.13"}
    by_context = Stack(App(outdir=str(tmp_path / "two"), context=context), "Stack")
    for stack, runtime in ((by_environment, "python3.12"), (by_context, "python3.13")):
        PythonFunction(stack, "F", entry=entry)
        assert function_properties(stack)["Runtime"] == runtime
