"""Moving over from aws-lambda-python-alpha."""

import inspect
import re
from pathlib import Path

import pytest

from cdk_lambda_package.cdk.bundling import REPLACEMENTS, refuse_bundling
from cdk_lambda_package.errors import OptionError

# One worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")


@pytest.mark.parametrize("props", [{"timeout": 3}, {"timeout": 3, "bundling": None}])
def test_without_bundling_nothing_is_refused(props):
    assert refuse_bundling(props) == {"timeout": 3}


def test_bundling_without_options_maps_all_of_them():
    with pytest.raises(OptionError) as raised:
        refuse_bundling({"bundling": {}})
    assert all(f"\n  - {name}: {text}" in str(raised.value) for name, text in REPLACEMENTS.items())


def test_an_option_that_is_none_was_not_given():
    with pytest.raises(OptionError) as raised:
        refuse_bundling({"bundling": {"image": None, "platform": "linux/arm64"}})
    assert str(raised.value).count("\n") == 1
    assert "platform: architecture=" in str(raised.value)


def test_options_may_be_spelled_as_in_typescript():
    with pytest.raises(OptionError, match=r"asset_excludes: packaging=Packaging\(exclude=.*\n.*build_args: not needed"):
        refuse_bundling({"bundling": {"assetExcludes": [".venv"], "buildArgs": {}}})


def test_every_option_of_a_container_run_has_an_answer():
    cdk = pytest.importorskip("aws_cdk", exc_type=ImportError)
    options = inspect.signature(cdk.DockerRunOptions).parameters
    assert set(options) <= set(REPLACEMENTS)


def test_the_guide_has_every_option():
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-aws-lambda-python-alpha.md"
    rows = [line.split("|")[1] for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(REPLACEMENTS)


def test_an_unknown_option_has_no_counterpart():
    with pytest.raises(OptionError, match="turbo: has no counterpart"):
        refuse_bundling({"bundling": {"turbo": True}})
