"""The public API is the one that tests/public_api.txt pins: a change of it is deliberate."""

import argparse
from dataclasses import dataclass

import pytest

from cdk_lambda_package import Packaging

pytest.importorskip("aws_cdk", reason="aws-cdk-lib, or the node that it runs on, isn't here", exc_type=ImportError)

import public_api

pytestmark = pytest.mark.xdist_group("cdk")


def test_the_public_api_is_the_pinned_one():
    assert public_api.difference() == "", f"If the change is meant, run: {public_api.RENEW}"


def test_the_pinned_api_has_names_fields_constructs_flags_and_findings():
    lines = public_api.text().splitlines()
    assert {f"  {name}" for name in ("extra sbom", "extra uv")} <= set(lines)
    for start in ("class PythonFunction(aws_cdk.aws_lambda.Function)", "def package", "command check", "constant "):
        assert any(line.startswith(start) for line in lines), start
    fields = lines[lines.index(next(line for line in lines if line.startswith("class Packaging("))) :]
    assert {line.split(":")[0].strip() for line in fields} >= {*Packaging.__dataclass_fields__}
    assert any(line.startswith("  --runtime TEXT (required") for line in lines)
    assert "finding import-not-found: error" in lines


def test_each_kind_of_change_is_a_difference():
    @dataclass(frozen=True, kw_only=True)
    class Shown:
        size: "int" = 1

        @property
        def area(self) -> "int":
            return self.size**2

        def grow(self, *, by: "int" = 2) -> "Shown":
            return Shown(size=self.size + by)

    Shown.__module__ = "cdk_lambda_package.shown"
    assert [*public_api._class("Shown", Shown)] == [
        "class Shown()",
        "  *",
        "  size: int = 1",
        "  area: int",
        "  def grow",
        "    *",
        "    by: int = 2",
        "    -> Shown",
    ]


def test_arguments_are_written_as_a_usage_shows_them():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("entry", nargs="?")
    parser.add_argument("action", choices=("info", "clear"))
    parser.add_argument("--runtime", required=True, action="append")
    parser.add_argument("--limit", metavar="MB", default=5)
    parser.add_argument("--slim", action=argparse.BooleanOptionalAction)
    assert [public_api._argument(action) for action in parser._actions] == [
        "ENTRY (optional)",
        "ACTION info|clear",
        "--runtime RUNTIME (required, repeatable)",
        "--limit MB (default 5)",
        "--slim, --no-slim",
    ]
