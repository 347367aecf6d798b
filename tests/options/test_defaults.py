"""Defaults for all functions: from CDK's context, in the construct and by the real CLI, and from the environment."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from local_aws import ROOT, aws_environment, cdk
from pip_projects import Project, isolate_pip
from this_host import CDK, require

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import OptionError, UnhashedError
from cdk_lambda_package.options import OPTIONS, Defaults, read_context, read_environment, variable_of

# With the tests of the construct: one worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")

VALUES = {
    "acknowledge": (["case-clash", "path-conflict"], "case-clash, path-conflict", ("case-clash", "path-conflict")),
    "allow_build": (False, "no", False),
    "bytecode": ("require", "require", "require"),
    "bytecode_scope": ("all", "all", "all"),
    "dependencies": ("layer", "layer", "layer"),
    "layer_removal_policy": ("retain", "retain", "retain"),
    "build_image": ("image:1", "image:1", "image:1"),
    "max_lock_age": (36, "36", timedelta(hours=36)),
    "only_index": (
        ["packages.example.com", "own:80"],
        "packages.example.com own:80",
        ("packages.example.com", "own:80"),
    ),
    "require_hashes": (True, "TRUE", True),
    "manifest": (True, "on", True),
    "sbom": (True, "1", True),
    "slim": (True, "yes", True),
    "uploaded_prior_to": ("P7D", "P7D", "P7D"),
}
INHERITABLE = sorted(name for name, declared in OPTIONS.items() if declared.inheritable)


@pytest.mark.parametrize("name", INHERITABLE)
def test_every_inheritable_option_can_be_set_in_the_context_and_in_the_environment(name):
    value, text, expected = VALUES[name]
    assert read_context({f"cdk-lambda-package:{name}": value}).packaging.given == {name: expected}
    # `cdk --context` gives text for everything.
    assert read_context({f"cdk-lambda-package:{name}": text, "other": 1}).packaging.given == {name: expected}
    assert read_environment({f"CDK_LAMBDA_PACKAGE_{name.upper()}": text}).packaging.given == {name: expected}


def test_a_default_runtime_can_be_set():
    assert read_context({"cdk-lambda-package:runtime": "python3.13"}).runtime == "python3.13"
    assert read_environment({"CDK_LAMBDA_PACKAGE_RUNTIME": "python3.12"}).runtime == "python3.12"


def test_an_empty_variable_sets_nothing():
    assert read_environment({variable_of(name): "" for name in (*INHERITABLE, "runtime")}) == Defaults()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_build", 1),
        ("require_hashes", "maybe"),
        ("only_index", {"packages.example.com": True}),
        ("only_index", ["*"]),
        ("max_lock_age", True),
        ("max_lock_age", "a day"),
        ("max_lock_age", "1e99"),
        ("uploaded_prior_to", 7),
        ("uploaded_prior_to", "soon"),
        ("acknowledge", 1),
        ("acknowledge", [1]),
        ("acknowledge", "requirements-locked"),
        ("build_image", ""),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_key_and_what_is_accepted(name, value):
    accepted = re.escape(OPTIONS[name].kind.accepted)
    with pytest.raises(OptionError, match=rf"^The context key 'cdk-lambda-package:{name}' is .*give {accepted}"):
        read_context({f"cdk-lambda-package:{name}": value})
    if isinstance(value, str) and value:
        with pytest.raises(OptionError, match=rf"^\$CDK_LAMBDA_PACKAGE_{name.upper()} is .*give {accepted}"):
            read_environment({variable_of(name): value})


def test_an_unknown_id_is_an_error_that_names_the_variable_and_the_nearest_id():
    with pytest.raises(
        OptionError, match=r"^\$CDK_LAMBDA_PACKAGE_ACKNOWLEDGE is .* acknowledge has 'case-clas', and no .*case-clash"
    ):
        read_environment({variable_of("acknowledge"): "path-conflict, case-clas"})


@pytest.mark.parametrize(
    "key",
    [
        "cdk-lambda-package:require-hashes",
        "cdk-lambda-package:requireHashes",
        "cdk-lambda-package:Require_Hashes",
        "cdk-lambda-package:require_hash",
        "cdk_lambda_package:require_hashes",
        "cdk-lambda-package/require_hashes",
        "cdk_lambda_package.requireHash",
        "cdk-lambda-package-require-hashes",
    ],
)
def test_a_key_in_another_spelling_is_an_error_with_the_right_one(key):
    with pytest.raises(OptionError, match=r"sets no option; write cdk-lambda-package:require_hashes\."):
        read_context({key: True})


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("CDK_LAMBDA_PACKAGE_REQUIRE_HASH", "write CDK_LAMBDA_PACKAGE_REQUIRE_HASHES"),
        ("CDK_LAMBDA_PACKAGE_ONLYINDEX", "write CDK_LAMBDA_PACKAGE_ONLY_INDEX"),
        ("CDK_LAMBDA_PACKAGE_CACHE", "write CDK_LAMBDA_PACKAGE_CACHE_DIR"),
        ("CDK_LAMBDA_PACKAGE_", "accepted are CDK_LAMBDA_PACKAGE_"),
    ],
)
def test_an_unknown_variable_is_an_error_with_a_suggestion(variable, advice):
    with pytest.raises(OptionError, match=rf"^\${variable} sets no option; {advice}"):
        read_environment({variable: "1"})


def test_an_unknown_variable_is_an_error_even_if_it_is_empty():
    with pytest.raises(OptionError, match="REQUIRE_HASH sets no option"):
        read_environment({"CDK_LAMBDA_PACKAGE_REQUIRE_HASH": ""})


def test_an_unknown_key_is_an_error_with_those_that_are_accepted():
    with pytest.raises(OptionError, match="'cdk-lambda-package:entry' sets no option; accepted are "):
        read_context({"cdk-lambda-package:entry": "svc"})


def test_a_wrong_value_is_shown_without_its_password():
    with pytest.raises(OptionError) as raised:
        read_context({"cdk-lambda-package:only_index": ["https://user:secret@exa mple.com"]})
    assert "secret" not in str(raised.value)


# -- the command line --


@pytest.fixture
def project(tmp_path, monkeypatch):
    isolate_pip(monkeypatch)
    made = Project(tmp_path)
    made.build("tool")
    made.write("tool")
    write_files(made.entry, {"app.py": HANDLER})
    return made


def build(project, capsys, *options):
    status = main(["build", str(project.entry), "--runtime=python3.13", "-o", str(project.root / "x.zip"), *options])
    return status, capsys.readouterr().err


def test_a_flag_comes_before_the_variable(project, capsys, monkeypatch):
    assert build(project, capsys)[0] == 0
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES", "1")
    status, said = build(project, capsys)
    assert (status, "Not pinned by a hash" in said) == (1, True)
    assert build(project, capsys, "--no-require-hashes")[0] == 0
    monkeypatch.delenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES")
    assert build(project, capsys, "--require-hashes")[0] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--uploaded-prior-to=soon"], "uploaded_prior_to is 'soon'; accepted is a date"),
        (["--only-index=*"], "only_index has '*'; accepted are hosts"),
    ],
)
def test_a_flag_with_a_wrong_value_is_an_error_that_says_what_is_accepted(project, capsys, options, said):
    status, error = build(project, capsys, *options)
    assert status == 1
    assert said in error


def test_the_command_lines_options_reach_the_resolution(project, capsys):
    project.write("tool", local=False)
    status, said = build(project, capsys, "--only-index=own.example", "--pip-args=--index-url=https://a.invalid/simple")
    assert status == 1
    assert "https://a.invalid/simple would be asked" in said


def test_a_wrong_variable_is_an_error_that_names_it(project, capsys, monkeypatch):
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_MAX_LOCK_AGE", "long")
    status, said = build(project, capsys)
    assert (
        status,
        "$CDK_LAMBDA_PACKAGE_MAX_LOCK_AGE is 'long'; give a datetime.timedelta, or a number of hours" in said,
    ) == (1, True)


# -- CDK --


@pytest.fixture
def make_function(project, tmp_path, monkeypatch):
    """Makes a function of the project in an app with a context."""
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)
    from aws_cdk import App, Stack
    from aws_cdk import aws_lambda as lambda_

    from cdk_lambda_package import PythonFunction

    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_CACHE_DIR", str(tmp_path / "cache"))

    def make(context, **options):
        app = App(outdir=str(tmp_path / "cdk.out"), context=context)
        runtime = lambda_.Runtime.PYTHON_3_13
        return PythonFunction(
            Stack(app, "S"), "F", entry=project.entry, runtime=runtime, on_error="raise", packaging=options
        )

    return make


def test_the_context_is_the_default_of_a_functions_props(make_function, monkeypatch):
    context = {"cdk-lambda-package:require_hashes": True}
    with pytest.raises(UnhashedError):
        make_function(context)
    make_function(context, require_hashes=False)
    # The context comes before the environment.
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES", "1")
    make_function({"cdk-lambda-package:require_hashes": False})
    with pytest.raises(UnhashedError):
        make_function({})


def test_a_wrong_key_in_the_context_is_an_error_of_the_function(make_function):
    with pytest.raises(OptionError, match="write cdk-lambda-package:only_index"):
        make_function({"cdk-lambda-package:only-index": ["packages.example.com"]})


APP = """
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from cdk_lambda_package import PythonFunction

app = App()
PythonFunction(Stack(app, "S"), "F", entry="app", runtime=lambda_.Runtime.PYTHON_3_13)
app.synth()
"""


@pytest.fixture
def synth(project, tmp_path):
    """Runs `cdk synth` for an app with the project as its function, and a context in cdk.json."""
    environment = aws_environment(9) | {
        "CDK_LAMBDA_PACKAGE_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    require(CDK)
    Path(tmp_path, "stack.py").write_text(APP)

    def run(context, *arguments):
        content = {"app": f"{sys.executable} stack.py", "context": context}
        Path(tmp_path, "cdk.json").write_text(json.dumps(content))
        return cdk("synth", "--quiet", *arguments, environment=environment, output=tmp_path / "cdk.out", cwd=tmp_path)

    return run


@pytest.mark.deploy
@pytest.mark.thorough
def test_cdk_json_holds_all_functions_of_an_app_to_the_rules(synth, project):
    context = {"cdk-lambda-package:require_hashes": True, "cdk-lambda-package:acknowledge": ["requirements-not-locked"]}
    with pytest.raises(RuntimeError, match="Not pinned by a hash.*: tool 1.0"):
        synth(context)
    said = synth(context, "--context", "cdk-lambda-package:require_hashes=false").stderr
    assert "requirements-not-locked" not in said
    with pytest.raises(RuntimeError, match="write cdk-lambda-package:require_hashes"):
        synth({"cdk-lambda-package:requireHashes": True})
    main(["lock", str(project.entry), "--runtime", "python3.13"])
    synth(context)
