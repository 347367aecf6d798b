"""`Packaging`: every option is declared once, and everything else follows from the declarations."""

import dataclasses
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from entries import HANDLER, write_files
from offline import PACKAGE, ROOT

from cdk_lambda_package import Packaging
from cdk_lambda_package.cli import main
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import OPTIONS, Key, option_help


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("include", "assets/x"),
        ("include", [Path("a")]),
        ("exclude", {"a", "b"}),
        ("exclude", (pattern for pattern in ["a"])),
        ("acknowledge", [1]),
        ("requirements", 3),
        ("requirements", ""),
        ("requirements", "pyproject.toml"),
        ("build_constraint", ["a.txt"]),
        ("build_image", Path("image")),
        ("build_image", " "),
        ("chalice", "thin"),
        ("follow_symlinks", "sometimes"),
        ("allow_build", "no"),
        ("smoke", 1),
        ("before_packaging", [["true", 1]]),
        ("before_packaging", [["cp", Path("a"), "b"]]),
        ("before_packaging", (words for words in [["true"]])),
        ("after_packaging", [[]]),
        ("max_lock_age", "a day"),
        ("max_lock_age", True),
        ("smoke_timeout", timedelta(seconds=-1)),
        ("provided", ["boto3==1.40"]),
        ("exclude_distributions", ["boto3[crt]"]),
        ("uploaded_prior_to", "soon"),
        ("only_index", ["*"]),
        ("pip_environment", [("A", "b")]),
    ],
)
def test_a_value_of_another_kind_is_an_error_that_names_the_option(option, value):
    with pytest.raises(OptionError, match=f"^{option} "):
        Packaging(**{option: value})


@pytest.mark.parametrize(
    ("value", "advice"), [("assets/x", "['assets/x']"), ([Path("assets")], '["assets/**"]'), (7, '["assets/**"]')]
)
def test_the_advice_is_a_value_that_is_accepted(value, advice):
    with pytest.raises(OptionError, match=f"such as {re.escape(advice)}"):
        Packaging(include=value)


def test_a_password_in_a_wrong_value_is_not_shown():
    with pytest.raises(OptionError, match=r"example\.org") as raised:
        Packaging(pip_args="--index-url=https://me:secret@example.org")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("value", ["A=secret", {"A": 1, "B": "secret"}])
def test_the_content_of_a_wrong_environment_is_not_shown(value):
    with pytest.raises(OptionError, match="^pip_environment ") as raised:
        Packaging(pip_environment=value)
    assert "secret" not in str(raised.value)


def test_lists_are_copied():
    patterns, command, variables = ["a"], ["make"], {"A": "1"}
    packaging = Packaging(include=patterns, before_packaging=[command], pip_environment=variables)
    patterns.append("b")
    command.append("all")
    variables["B"] = "2"
    assert packaging == Packaging(include=("a",), before_packaging=(("make",),), pip_environment={"A": "1"})


@pytest.mark.parametrize("name", OPTIONS)
def test_no_option_is_set_by_default(name):
    assert getattr(Packaging(), name) is None


@pytest.mark.parametrize("name", OPTIONS)
def test_the_example_of_an_option_is_accepted_and_set(name):
    value = eval(OPTIONS[name].example, {"timedelta": timedelta})
    assert name in Packaging(**{name: value}).given


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_part_of_a_key_or_says_why_not(name):
    declared = OPTIONS[name]
    assert (declared.key is Key.NONE) == bool(declared.outside_key)


def test_two_values_merge_field_by_field():
    near = Packaging(smoke=False, include=(), acknowledge=["case-clash"])
    far = Packaging(smoke=True, include=["a"], exclude=["b"], acknowledge=["path-conflict"])
    assert near.over(far) == Packaging(
        smoke=False, include=(), exclude=["b"], acknowledge=["case-clash", "path-conflict"]
    )
    assert Packaging().over(far) == far
    assert near.over(Packaging()) == near


def test_a_mapping_is_accepted_like_a_struct_of_cdk():
    assert Packaging.of({"smoke": True, "exclude": ["*.md"]}) == Packaging(smoke=True, exclude=["*.md"])
    assert Packaging.of(None) == Packaging()
    with pytest.raises(OptionError, match="'excludes', which is not an option; write exclude"):
        Packaging.of({"excludes": ["*.md"]})
    with pytest.raises(OptionError, match="give a Packaging"):
        Packaging.of(["*.md"])


@pytest.mark.parametrize(
    ("name", "one", "other", "strict"),
    [
        ("require_hashes", True, False, True),
        ("allow_build", True, False, False),
        ("only_index", ["a.example", "b.example"], ["b.example"], ("b.example",)),
        ("uploaded_prior_to", "7d", "30d", "30d"),
        ("uploaded_prior_to", date(2020, 1, 1), timedelta(days=1), date(2020, 1, 1)),
        ("uploaded_prior_to", "0d", datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_stricter_of_two_values_is_known(name, one, other, strict):
    stricter = OPTIONS[name].stricter
    assert stricter.of(one, other) == stricter.of(other, one) == strict


def test_the_reference_says_which_value_is_the_stricter_and_no_option_without_one_claims_it():
    page = (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
    entries = {text.partition("`")[0]: text for text in page.split("### `")[1:]}
    told = {name: re.findall(r"^- The stricter of two values: (.+)\.$", text, re.M) for name, text in entries.items()}
    assert {name: words for name, words in told.items() if words} == {
        name: [declared.stricter.words] for name, declared in OPTIONS.items() if declared.stricter
    }


def test_every_option_is_a_flag_of_the_command_line_unless_only_constructs_use_it(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    said = capsys.readouterr().out
    words = {word.strip(",[]") for word in said.split()}
    for name, declared in OPTIONS.items():
        assert (f"--{name.replace('_', '-')}" in words) is not declared.constructs_only, name
        assert declared.group.value in said or declared.constructs_only


def test_an_option_of_constructs_leaves_its_name_to_commands(tmp_path, capsys):
    entry = write_files(tmp_path / "svc", {"app.py": HANDLER})
    argv = [
        "build",
        str(entry),
        "--runtime=python3.13",
        f"--cache-dir={tmp_path / 'cache'}",
        "-o",
        str(tmp_path / "x.zip"),
    ]
    assert main([*argv, "--manifest", str(tmp_path / "x.json")]) == 0
    assert (tmp_path / "x.json").exists()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*argv, "--layer-removal-policy=retain"])
    assert "unrecognized arguments: --layer-removal-policy" in capsys.readouterr().err


def test_the_docstring_says_what_each_option_does():
    assert list(option_help()) == list(OPTIONS)


def test_an_option_is_declared_in_one_place():
    """Outside of its declaration, an option is named where it is used, and nowhere twice."""
    sources = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    for name in (field.name for field in dataclasses.fields(Packaging)):
        declared = [path.name for path, text in sources.items() if re.search(rf"^    {name}: .*= option\(", text, re.M)]
        assert declared == ["packaging.py"], name
