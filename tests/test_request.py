"""What the options accept."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from cdk_lambda_package.errors import OptionError, PackageError
from cdk_lambda_package.request import PackageRequest


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("entry", None),
        ("entry", ""),
        ("entry", b"svc"),
        ("include", None),
        ("include", [Path("a")]),
        ("exclude", {"a", "b"}),
        ("exclude", (pattern for pattern in ["a"])),
        ("acknowledge", [1]),
        ("index", 1),
        ("index", b"app.py"),
        ("runtime", None),
        ("requirements", 3),
        ("requirements", ""),
        ("build_constraint", ["a.txt"]),
        ("build_image", Path("image")),
        ("resolver", ""),
        ("resolver", []),
        ("chalice", None),
        ("allow_build", "no"),
        ("before_packaging", [["true", 1]]),
        ("before_packaging", [["cp", Path("a"), "b"]]),
        ("before_packaging", (words for words in [["true"]])),
        ("after_packaging", [[]]),
        ("max_lock_age", 24),
        ("provided", ["boto3==1.40"]),
        ("exclude_distributions", ["boto3[crt]"]),
    ],
)
def test_a_value_of_another_kind_is_refused_by_the_options_name(option, value):
    with pytest.raises(OptionError, match=f"^{option} "):
        PackageRequest(**{"entry": "svc", "runtime": "python3.13", option: value})


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("assets/x", "['assets/x']"),
        (None, "['assets/**']"),
        ([Path("assets")], "['assets/**']"),
    ],
)
def test_advice_is_something_that_is_accepted(value, advice):
    with pytest.raises(OptionError, match=f"such as {re.escape(advice)}"):
        PackageRequest(entry="svc", runtime="python3.13", include=value)


def test_a_password_in_a_value_of_another_kind_is_not_repeated():
    with pytest.raises(OptionError, match="example.org") as refused:
        PackageRequest(entry="svc", runtime="python3.13", pip_args="--index-url=https://me:secret@example.org")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "index", ["app.js", "../app.py", Path("/app.py"), "vendor/app.py", "", "a.b.py", "a.b/c.py", "my svc/a.py"]
)
def test_an_index_that_cant_be_a_module_is_refused_whatever_there_is(index):
    with pytest.raises(PackageError, match="^index "):
        PackageRequest(entry="nowhere", runtime="python3.13", index=index)


@pytest.mark.parametrize("value", [None, "A=secret", {"A": 1}])
def test_an_environment_of_another_kind_is_refused_without_its_content(value):
    with pytest.raises(OptionError, match="^pip_environment ") as refused:
        PackageRequest(entry="svc", runtime="python3.13", pip_environment=value)
    assert "secret" not in str(refused.value)


def test_what_can_be_meant_is_accepted():
    PackageRequest(
        entry="svc",
        runtime="python3.13",
        include=["a"],
        provided=("Zope.Interface", "x"),
        max_lock_age=timedelta(0),
        before_packaging=[("make", "assets")],
        index=Path("api/main.py"),
        requirements=Path("lambda.txt"),
        build_constraint="limits.txt",
        pip_environment={"PIP_INDEX_URL": "https://example.org/simple"},
    )
