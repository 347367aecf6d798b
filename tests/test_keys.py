"""Keys cover every field, on every machine alike."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from cdk_lambda_package.keys import key_of, outside_key
from cdk_lambda_package.locks.committed_lock import LockContent
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.requirements.resolution_cache import RequestContent
from cdk_lambda_package.requirements.supply_chain_values import UploadLimit
from cdk_lambda_package.target import Target


def key_fields(kind):
    """Return the fields of a dataclass, each with the reason why it is outside the key, None if it is in it."""
    return {one.name: one.metadata.get("outside_key") for one in fields(kind)}


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Whole:
    part: Part = Part("a", (1, 2))
    colour: Colour = Colour.RED
    names: frozenset[str] = frozenset({"x", "y"})
    variables: tuple[tuple[str, str], ...] = (("A", "1"),)
    when: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    age: timedelta = timedelta(hours=1)
    flag: bool | None = None
    place: str = field(default="here", metadata=outside_key("it doesn't change the result"))


OTHER_VALUES = {
    "part": Part("a", (1, 3)),
    "colour": "blue",
    "names": frozenset({"x"}),
    "variables": (("A", "2"),),
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "age": timedelta(hours=2),
    "flag": False,
    "place": "there",
}


@pytest.mark.parametrize("name", [one.name for one in fields(Whole)])
def test_a_field_is_in_the_key_unless_it_is_marked(name):
    changed = key_of(replace(Whole(), **{name: OTHER_VALUES[name]})) != key_of(Whole())
    assert changed == (key_fields(Whole)[name] is None)


def test_a_key_is_the_same_in_every_process():
    code = (
        "from cdk_lambda_package.keys import key_of; "
        "print(key_of({'a', 'b', 'c'}, frozenset({'x', 'y'}), {'one': 1, 'two': 2}))"
    )
    printed = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=-1).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a", ""), ("a",)),
        ((b"a",), ("a",)),
        (({"a": "b"},), (["a", "b"],)),
        ((1,), ("1",)),
    ],
)
def test_different_parts_have_different_keys(one, other):
    assert key_of(*one) != key_of(*other)


def test_a_path_is_rejected():
    with pytest.raises(TypeError, match="isn't the same on every machine"):
        key_of(Part(Path("/somewhere")))


@pytest.mark.parametrize("name", [one.name for one in fields(ResolutionRequest)])
def test_a_field_of_a_resolution_request_is_in_its_key_or_has_a_reason(name, tmp_path):
    others = {
        "target": Target.parse("python3.12", "arm64"),
        "uploaded_prior_to": UploadLimit(text="7d", instant=datetime(2026, 1, 1, tzinfo=UTC)),
        "only_index": ("host",),
        "preferred": (("a", "1"),),
        "build_image": "image",
        "require_hashes": True,
        "allow_build": False,
    }
    request = ResolutionRequest(entry=tmp_path, target=Target.parse("python3.13"))
    reason = key_fields(ResolutionRequest)[name]
    changed = key_of(replace(request, **{name: others.get(name, ("a",))})) != key_of(request)
    assert changed if reason is None else len(reason) > 10


def test_the_content_that_stands_for_a_requests_paths_is_all_in_the_key():
    assert set(key_fields(RequestContent).values()) == {None}
    assert set(key_fields(LockContent).values()) == {None}
