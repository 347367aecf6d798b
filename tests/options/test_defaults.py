"""Defaults for many functions: an entry directory's table, CDK's context, in the construct and by the real CLI, and the environment."""

import json
import os
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import tomli_w
from entries import HANDLER, write_files
from local_aws import ROOT, aws_environment, cdk
from pip_projects import Project, isolate_pip
from this_host import CDK, require

from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import OptionError, UnhashedError
from cdk_lambda_package.options import (
    OPTIONS,
    DefaultsSource,
    PackageRequest,
    Packaging,
    SetIn,
    read_context,
    read_entry_table,
    read_environment,
    settings_of,
    variable_of,
    with_defaults,
)

# With the tests of the construct: one worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")

# In JSON, as text, and the value of the option.
VALUES = {
    "include": (["assets/**", "My Docs/*"], "assets/** 'My Docs/*'", ("assets/**", "My Docs/*")),
    "exclude": (["[a-c]*.md", "\\#x"], "[a-c]*.md, \\#x", ("[a-c]*.md", "\\#x")),
    "exclude_from_requirements": (["**/tests/**"], "**/tests/**", ("**/tests/**",)),
    "follow_symlinks": ("never", "never", "never"),
    "chalice": ("full", "full", "full"),
    "slim": (True, "yes", True),
    "requirements": ("requirements-lambda.txt", "requirements-lambda.txt", "requirements-lambda.txt"),
    "groups": (["lambda", "web"], "lambda web", ("lambda", "web")),
    "extras": (["api"], "api", ("api",)),
    "provided": (["boto3", "botocore"], "boto3,botocore", ("boto3", "botocore")),
    "exclude_distributions": (["boto3"], "boto3", ("boto3",)),
    "pip_args": (["--no-binary=a,b", "--pre"], "--no-binary=a,b --pre", ("--no-binary=a,b", "--pre")),
    "pip_environment": (
        {"PIP_INDEX_URL": "https://a.invalid", "PIP_PROXY": "a, b"},
        "PIP_INDEX_URL=https://a.invalid PIP_PROXY='a, b'",
        {"PIP_INDEX_URL": "https://a.invalid", "PIP_PROXY": "a, b"},
    ),
    "max_lock_age": (36, "36", timedelta(hours=36)),
    "require_hashes": (True, "TRUE", True),
    "uploaded_prior_to": ("7d", "7d", "7d"),
    "only_index": (
        ["packages.example.com", "own:80"],
        "packages.example.com own:80",
        ("packages.example.com", "own:80"),
    ),
    "allow_build": (False, "no", False),
    "build_constraint": ("build.txt", "build.txt", "build.txt"),
    "build_image": ("image:1", "image:1", "image:1"),
    "before_packaging": (
        [["make", "assets"], ["python", "-c", "print(1, 2)"]],
        "make assets\npython -c 'print(1, 2)'\n",
        (("make", "assets"), ("python", "-c", "print(1, 2)")),
    ),
    "after_packaging": ([["python", "build.py"]], "python build.py", (("python", "build.py"),)),
    "acknowledge": (["case-clash", "path-conflict"], "case-clash, path-conflict", ("case-clash", "path-conflict")),
    "smoke": (True, "1", True),
    "smoke_timeout": (2.5, "2.5", timedelta(seconds=2.5)),
    "bytecode": ("require", "require", "require"),
    "bytecode_scope": ("all", "all", "all"),
    "dependencies": ("layer", "layer", "layer"),
    "layer_removal_policy": ("retain", "retain", "retain"),
    "manifest": (True, "on", True),
    "sbom": (True, "1", True),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_can_be_set_in_the_context_and_in_the_environment(name):
    value, text, expected = VALUES[name]
    assert read_context({f"cdk-lambda-package:{name}": value}).packaging.given == {name: expected}
    # `cdk --context` gives text for everything.
    assert read_context({f"cdk-lambda-package:{name}": text, "other": 1}).packaging.given == {name: expected}
    assert read_environment({f"CDK_LAMBDA_PACKAGE_{name.upper()}": text}).packaging.given == {name: expected}
    if not isinstance(value, str):
        assert read_environment({variable_of(name): json.dumps(value)}).packaging.given == {name: expected}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_can_be_set_in_an_entry_directorys_table(tmp_path, name):
    value, _, expected = VALUES[name]
    Path(tmp_path, "pyproject.toml").write_text(tomli_w.dumps({"tool": {"cdk-lambda-package": {name: value}}}))
    assert read_entry_table(tmp_path).packaging.given == {name: expected}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_plain_form_of_a_value_stands_for_the_same_value(name):
    value, _, expected = VALUES[name]
    plain = OPTIONS[name].kind.plain(getattr(Packaging(**{name: value}), name))
    assert getattr(Packaging(**{name: json.loads(json.dumps(plain))}), name) == expected


@pytest.mark.parametrize(
    "text", ['["*.md', '["*.md", ]', '[["make"]', '{"PIP_PROXY": ', '{"PIP_PROXY"}', "make 'assets", "PIP_PROXY"]
)
@pytest.mark.parametrize("name", ["exclude", "before_packaging", "pip_environment"])
def test_text_that_is_neither_items_nor_json_is_an_error(name, text):
    if text == "PIP_PROXY" and name != "pip_environment":
        assert read_environment({variable_of(name): text}).packaging.given
        return
    with pytest.raises(OptionError, match=rf"^\$CDK_LAMBDA_PACKAGE_{name.upper()} is .*; give "):
        read_environment({variable_of(name): text})


def test_a_default_runtime_can_be_set():
    assert read_context({"cdk-lambda-package:runtime": "python3.13"}).runtime == "python3.13"
    assert read_environment({"CDK_LAMBDA_PACKAGE_RUNTIME": "python3.12"}).runtime == "python3.12"


def test_an_empty_variable_sets_nothing():
    assert read_environment(
        {variable_of(name): "" for name in (*OPTIONS, "runtime", "entries_may_set")}
    ) == read_environment({})


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


# -- the table of an entry directory --


def write_table(entry, content, table="cdk-lambda-package"):
    Path(entry, "pyproject.toml").write_text(f"[project]\nname = 'orders'\n\n[tool.{table}]\n{content}\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "exlude = ['*.md']",
            r"pyproject\.toml: \[tool\.cdk-lambda-package\] has 'exlude', which is not an option; write exclude\.",
        ),
        ("runtime = 'python3.13'", r"has 'runtime', which is not an option; "),
        (
            "slim = 'yes'",
            r"pyproject\.toml: slim in \[tool\.cdk-lambda-package\] is 'yes'; give True or False, such as `slim = true`\.",
        ),
        ("exclude = '*.md'", r"exclude in .* is '\*\.md'; give a list of strings, such as \['\*\.md'\]"),
        (
            "max_lock_age = '1 h'",
            r"max_lock_age in .* is '1 h'; give .* a number of hours, such as `max_lock_age = 12`",
        ),
        ("smoke_timeout = 10:30:00", r"smoke_timeout in .*; give .* a number of seconds"),
        (
            "pip_environment = {PIP_PRE = 1}",
            r'pip_environment in .* is not shown; give .*`pip_environment = \{ PIP_INDEX_URL = "https:',
        ),
        (
            "before_packaging = ['make']",
            r'before_packaging in .*; give a list of commands .*`before_packaging = \[\["make", "assets"\]\]`',
        ),
        ("follow_symlinks = 'perhaps'", "follow_symlinks in .*; give 'block_external' or "),
        ("acknowledge = ['case-clas']", "acknowledge in .*case-clash"),
        ("slim = ", r"pyproject\.toml can't be read: "),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_file_the_key_and_what_is_accepted(tmp_path, content, said):
    write_table(tmp_path, content)
    with pytest.raises(OptionError, match=said):
        read_entry_table(tmp_path)


@pytest.mark.parametrize("name", ["cdk_lambda_package", "cdklambdapackage", "CDK-Lambda-Package"])
def test_a_table_with_a_misspelt_name_is_an_error(tmp_path, name):
    write_table(tmp_path, "slim = true", table=name)
    with pytest.raises(OptionError, match=rf"\[tool\.{name}\] is read by no tool; write \[tool\.cdk-lambda-package\]"):
        read_entry_table(tmp_path)


def test_a_table_that_is_no_table_is_an_error(tmp_path):
    Path(tmp_path, "pyproject.toml").write_text("tool.cdk-lambda-package = true")
    with pytest.raises(OptionError, match=r"tool\.cdk-lambda-package is True; write a table"):
        read_entry_table(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[tool.ruff]\nline-length = 100\n", "[tool.uv.sources]\ncdk-lambda-package = {}\n"]
)
def test_a_project_without_the_table_sets_nothing(tmp_path, content):
    assert read_entry_table(tmp_path) is None
    Path(tmp_path, "pyproject.toml").write_text(content)
    assert read_entry_table(tmp_path) is None


def test_a_project_that_is_not_about_this_package_is_not_judged(tmp_path):
    Path(tmp_path, "pyproject.toml").write_bytes(b"\xff broken [")
    assert read_entry_table(tmp_path) is None


def test_a_table_that_changes_is_read_again(tmp_path):
    write_table(tmp_path, "slim = true ")
    for _ in range(2):
        assert read_entry_table(tmp_path).packaging.slim is True
    write_table(tmp_path, "slim = false")
    assert read_entry_table(tmp_path).packaging.slim is False
    past = 10**18
    os.utime(Path(tmp_path, "pyproject.toml"), ns=(past, past))
    assert read_entry_table(tmp_path).packaging.slim is False
    Path(tmp_path, "pyproject.toml").unlink()
    assert read_entry_table(tmp_path) is None


# -- which place counts --


def request_for(entry, *defaults, **options):
    return PackageRequest(entry=entry, runtime="python3.13", packaging=Packaging(**options), defaults=defaults)


def construct(place="PackagingDefaults of Shop", entries_may_set=None, **options):
    packaging = Packaging(**options)
    return DefaultsSource(kind=SetIn.CONSTRUCT, place=place, packaging=packaging, entries_may_set=entries_may_set)


def test_the_nearest_place_counts_and_each_setting_says_which_it_is(tmp_path):
    write_table(tmp_path, "slim = true\nbytecode = 'auto'")
    request = request_for(
        tmp_path,
        construct(chalice="full", bytecode="require", extras=["near"]),
        construct("PackagingDefaults of the app", extras=["far"], groups=["web"]),
        read_context({"cdk-lambda-package:groups": ["x"], "cdk-lambda-package:smoke": True}),
        slim=False,
    )
    environment = read_environment({"CDK_LAMBDA_PACKAGE_SMOKE": "no", "CDK_LAMBDA_PACKAGE_PROVIDED": "boto3"})
    settings = {one.name: one for one in settings_of(request, environment, own="packaging=")}
    assert {name: (one.value, one.sources[0].place_of(name)) for name, one in settings.items() if one.sources} == {
        "slim": (False, "packaging="),
        "bytecode": ("auto", str(tmp_path / "pyproject.toml")),
        "chalice": ("full", "PackagingDefaults of Shop"),
        "extras": (("near",), "PackagingDefaults of Shop"),
        "groups": (("web",), "PackagingDefaults of the app"),
        "smoke": (True, "cdk-lambda-package:smoke in the context"),
        "provided": (("boto3",), "$CDK_LAMBDA_PACKAGE_PROVIDED"),
    }
    assert settings["follow_symlinks"] == ("follow_symlinks", "block_external", ())
    completed = with_defaults(request, environment)
    assert all(completed.packaging.value(name) == one.value for name, one in settings.items())


def test_acknowledgements_of_all_places_count_once_each(tmp_path):
    near = construct(acknowledge=["case-clash"], entries_may_set=["acknowledge"])
    write_table(tmp_path, "acknowledge = ['path-conflict']")
    request = request_for(tmp_path, near, acknowledge=["requirements-not-locked", "case-clash"])
    environment = read_environment({"CDK_LAMBDA_PACKAGE_ACKNOWLEDGE": "case-clash"})
    setting = next(one for one in settings_of(request, environment) if one.name == "acknowledge")
    assert setting.value == ("requirements-not-locked", "case-clash", "path-conflict")
    assert [one.kind for one in setting.sources] == ["request", "entry", "construct", "environment"]


def test_a_request_that_has_its_defaults_stays_as_it_is(tmp_path):
    write_table(tmp_path, "slim = true")
    completed = with_defaults(request_for(tmp_path))
    write_table(tmp_path, "slim = false\nsmoke = true")
    assert with_defaults(completed, read_environment({"CDK_LAMBDA_PACKAGE_SMOKE": "yes"})) is completed
    assert [one.name for one in settings_of(completed) if one.sources] == ["slim"]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("before_packaging", "before_packaging = [['make']]", "it runs commands"),
        ("after_packaging", "after_packaging = [['make']]", "it runs commands"),
        ("build_image", "build_image = 'image:1'", "it runs a container image"),
        ("acknowledge", "acknowledge = ['case-clash']", "it hides findings"),
    ],
)
def test_a_table_sets_a_guarded_option_only_where_that_is_allowed(tmp_path, name, line, reason):
    write_table(tmp_path, line)
    said = rf"sets {name}, but {reason}, .*PackagingDefaults\.of\(scope\)\.set\(entries_may_set=\['{name}'\]\)"
    for defaults in ((), (construct(entries_may_set=[]), construct(entries_may_set=[name]))):
        with pytest.raises(OptionError, match=said):
            with_defaults(request_for(tmp_path, *defaults))
    allowed = (construct(), construct(entries_may_set=[name]), construct(entries_may_set=[]))
    assert getattr(with_defaults(request_for(tmp_path, *allowed)).packaging, name)
    if name != "acknowledge":
        # The command that a message names has the value as a flag.
        own = VALUES[name][0]
        assert getattr(with_defaults(request_for(tmp_path, **{name: own})).packaging, name) == VALUES[name][2]
    variable = read_environment({"CDK_LAMBDA_PACKAGE_ENTRIES_MAY_SET": name})
    assert getattr(with_defaults(request_for(tmp_path), variable).packaging, name)
    with pytest.raises(
        OptionError, match="'slim' is none of the options that have to be allowed; any entry directory may set it"
    ):
        read_context({"cdk-lambda-package:entries_may_set": ["slim"]})


def test_a_pattern_that_matches_nothing_is_an_error_that_names_its_place(tmp_path):
    write_table(tmp_path, "include = ['../shared']")
    with pytest.raises(OptionError, match=r"pyproject\.toml: include has '\.\./shared'"):
        with_defaults(request_for(tmp_path))
    environment = read_environment({"CDK_LAMBDA_PACKAGE_EXCLUDE": "../x"})
    with pytest.raises(OptionError, match=r"\$CDK_LAMBDA_PACKAGE_EXCLUDE: exclude has '\.\./x'"):
        with_defaults(request_for(Path("other")), environment)


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


def test_a_flag_comes_before_the_table_and_the_table_before_the_variable(project, capsys, monkeypatch):
    write_table(project.entry, "require_hashes = true")
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_REQUIRE_HASHES", "no")
    status, said = build(project, capsys)
    assert (status, "Not pinned by a hash" in said) == (1, True)
    assert build(project, capsys, "--no-require-hashes")[0] == 0
    write_table(project.entry, "require_hashes = false")
    assert build(project, capsys)[0] == 0


def test_the_table_reaches_every_command(project, capsys):
    write_table(project.entry, "exclude = ['secret.py']\nbefore_packaging = [['python', 'make.py']]")
    write_files(project.entry, {"make.py": "open('chalicelib/made.py', 'w').close()", "chalicelib/__init__.py": ""})
    arguments = [str(project.entry), "--runtime=python3.13"]
    for command in (
        ["build", "-o", str(project.root / "x.zip")],
        ["check"],
        ["imports"],
        ["lock"],
        ["ls"],
        ["verify", "--zip=x.zip"],
        ["config"],
    ):
        assert main([command[0], *arguments, *command[1:]]) == 1
        assert "sets before_packaging, but it runs commands" in capsys.readouterr().err


def test_the_lock_is_of_what_the_tables_commands_leave(project, capsys, monkeypatch):
    project.build("other")
    write_table(project.entry, "before_packaging = [['python', 'make.py']]")
    write_files(
        project.entry,
        {"make.py": "open('pyproject.toml', 'w').write('')\nopen('requirements.txt', 'a').write('other\\n')\n"},
    )
    monkeypatch.setenv("CDK_LAMBDA_PACKAGE_ENTRIES_MAY_SET", "before_packaging")
    assert main(["lock", str(project.entry), "--runtime=python3.13"]) == 0, capsys.readouterr().err
    assert 'name = "other"' in Path(project.entry, "pylock.toml").read_text()


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
