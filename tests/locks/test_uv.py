"""Whether a uv.lock is that of its pyproject.toml: what of it a function uses is compared, and nothing else."""

import tomllib

import pytest

from cdk_lambda_package.locks.uv import find_changes, find_overridden
from cdk_lambda_package.target import Target

TARGET = Target.parse("python3.13", "arm64")
LOCK = tomllib.loads("""
[manifest]
overrides = [{ name = "Old_Tool", specifier = ">=2" }]
[[package]]
name = "svc"
[package.metadata]
requires-dist = [
    { name = "tool", specifier = ">=1" },
    { name = "tool", marker = "extra == 'db'", specifier = ">=1", extras = ["sql"] },
    { name = "win", marker = "sys_platform == 'win32'" },
    { name = "pgx", marker = "python_full_version >= '3.12' and extra == 'db'", specifier = "==1.0" },
]
[package.metadata.requires-dev]
test = [{ name = "runner" }, { name = "base" }]
""")
PROJECT = """
[project]
name = "Svc"
dependencies = ["tool>=1", "win; sys_platform == 'win32'"]
[project.optional-dependencies]
DB = ["pgx==1.0; python_version >= '3.12'", "tool[SQL]>=1"]
[dependency-groups]
Test = ["runner", {include-group = "base"}]
base = ["base"]
"""


def changes(old="", new="", **options):
    assert old in PROJECT
    return find_changes(tomllib.loads(PROJECT.replace(old, new, 1)), LOCK, TARGET, **options)


def test_what_the_lock_was_written_for_is_no_change():
    assert changes() == []
    assert changes(groups=("test",), extras=("db",)) == []


@pytest.mark.parametrize(
    ("old", "new", "options", "said"),
    [
        ('"tool>=1", ', "", {}, "no longer asks for tool"),
        ('"tool>=1", ', '"tool>=1", "six", ', {}, "asks for six, which it didn't"),
        ("tool>=1", "tool>=2", {}, "asks for tool in another way"),
        ("pgx==1.0", "pgx==2.0", {"extras": ("db",)}, "asks for pgx in another way"),
        ("tool[SQL]", "tool", {"extras": ("db",)}, "asks for tool in another way"),
        ('["runner", ', '["other", ', {"groups": ("test",)}, "no longer asks for runner"),
        ('base = ["base"]', 'base = ["base", "six"]', {"groups": ("Test",)}, "asks for six, which it didn't"),
    ],
)
def test_what_a_function_uses_is_compared(old, new, options, said):
    assert any(said in change for change in changes(old, new, **options))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pgx==1.0", "pgx==2.0"),
        ('["runner", ', '["other", '),
        ("; sys_platform == 'win32'", ">=2; sys_platform == 'win32'"),
        ('dependencies = ["tool>=1", "win; sys_platform == \'win32\'"]', 'dynamic = ["dependencies"]'),
    ],
)
def test_what_it_does_not_use_or_only_a_build_knows_is_not(old, new):
    assert changes(old, new) == []


def test_what_is_overridden_is_known_by_its_normalised_name():
    assert find_overridden(LOCK) == {"old-tool"}
    assert find_overridden({}) == frozenset()
