"""What the options accept."""

from datetime import timedelta

import pytest

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.request import PackageRequest


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("include", None),
        ("exclude", {"a", "b"}),
        ("exclude", (pattern for pattern in ["a"])),
        ("acknowledge", [1]),
        ("index", 1),
        ("runtime", None),
        ("before_packaging", [["true", 1]]),
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
        pip_environment={"PIP_INDEX_URL": "https://example.org/simple"},
    )
