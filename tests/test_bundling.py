"""Moving over from aws-lambda-python-alpha."""

import pytest

from cdk_lambda_package.bundling import REPLACEMENTS, refuse_bundling
from cdk_lambda_package.errors import OptionError


def test_without_bundling_nothing_is_refused():
    refuse_bundling({"timeout": 3})


def test_bundling_without_options_maps_all_of_them():
    with pytest.raises(OptionError) as raised:
        refuse_bundling({"bundling": {}})
    assert all(f"\n  - {name}: {text}" in str(raised.value) for name, text in REPLACEMENTS.items())


def test_an_option_that_is_none_was_not_given():
    with pytest.raises(OptionError) as raised:
        refuse_bundling({"bundling": {"image": None, "platform": "linux/arm64"}})
    assert str(raised.value).count("\n") == 1
    assert "platform: architecture=" in str(raised.value)


def test_an_unknown_option_has_no_counterpart():
    with pytest.raises(OptionError, match="turbo: has no counterpart"):
        refuse_bundling({"bundling": {"turbo": True}})
