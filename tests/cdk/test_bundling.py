"""Moving over from aws-lambda-python-alpha."""

import inspect
import re
from pathlib import Path

import pytest

from cdk_lambda_package.cdk.bundling import REPLACEMENTS, describe_replacements

# One worker starts node, not all of them.
pytestmark = pytest.mark.xdist_group("cdk")


def test_bundling_without_options_maps_all_of_them():
    told = describe_replacements({})
    assert all(f"\n  - {name}: {text}" in told for name, text in REPLACEMENTS.items())


def test_an_option_that_is_none_was_not_given():
    told = describe_replacements({"image": None, "platform": "linux/arm64"})
    assert told.count("\n") == 1
    assert "platform: architecture=" in told


def test_options_may_be_spelled_as_in_typescript():
    told = describe_replacements({"assetExcludes": [".venv"], "buildArgs": {}})
    assert re.search(r"asset_excludes: packaging=Packaging\(exclude=.*\n.*build_args: not needed", told)


def test_every_option_of_a_container_run_has_an_answer():
    cdk = pytest.importorskip("aws_cdk", exc_type=ImportError)
    options = inspect.signature(cdk.DockerRunOptions).parameters
    assert set(options) <= set(REPLACEMENTS)


def test_the_guide_has_every_option():
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-aws-lambda-python-alpha.md"
    rows = [line.split("|")[1] for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(REPLACEMENTS)


def test_an_unknown_option_has_no_counterpart():
    assert "turbo: has no counterpart" in describe_replacements({"turbo": True})
