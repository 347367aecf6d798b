"""Whether a uv.lock is that of its pyproject.toml: what of it a function uses is compared, and nothing else."""

import pytest
from entries import write_files

from cdk_lambda_package.locks.uv import Format
from cdk_lambda_package.requirements import LockFile, ResolutionRequest
from cdk_lambda_package.target import Target

TARGET = Target.parse("python3.13", "arm64")
LOCK = """
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
"""
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


def lock_in(folder, lock=LOCK, project=PROJECT, **options):
    (folder / "uv.lock").write_text(lock)
    (folder / "pyproject.toml").write_text(project)
    file = LockFile(path=folder / "uv.lock", format="uv.lock")
    return Format(file, ResolutionRequest(entry=folder, target=TARGET, **options))


def changes(folder, old="", new="", **options):
    assert old in PROJECT
    return lock_in(folder, project=PROJECT.replace(old, new, 1), **options).changes()


def test_what_the_lock_was_written_for_is_no_change(tmp_path):
    assert changes(tmp_path) == []
    assert changes(tmp_path, groups=("test",), extras=("db",)) == []


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
def test_what_a_function_uses_is_compared(tmp_path, old, new, options, said):
    assert any(said in change for change in changes(tmp_path, old, new, **options))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pgx==1.0", "pgx==2.0"),
        ('["runner", ', '["other", '),
        ("; sys_platform == 'win32'", ">=2; sys_platform == 'win32'"),
        ('dependencies = ["tool>=1", "win; sys_platform == \'win32\'"]', 'dynamic = ["dependencies"]'),
    ],
)
def test_what_it_does_not_use_or_only_a_build_knows_is_not(tmp_path, old, new):
    assert changes(tmp_path, old, new) == []


def test_what_is_overridden_is_known_by_its_normalised_name(tmp_path):
    assert lock_in(tmp_path).overridden() == {"old-tool"}
    assert lock_in(tmp_path, lock="").overridden() == frozenset()


FLAT = """
[[package]]
name = "demo-lib"
source = { registry = "../wheels" }
wheels = [{ path = "Demo_Lib-1.0-py3-none-any.whl" }, { path = "absent-1.0-py3-none-any.whl" }]
sdist = { path = "Demo_Lib-1.0.tar.gz" }
"""


def test_files_of_a_folder_of_find_links_are_lent_to_uv_which_reads_their_hashes(tmp_path, store):
    """uv.lock has no hash of them, and uv reads them beside the copy of the lock."""
    entry = tmp_path / "svc"
    entry.mkdir()
    names = ("Demo_Lib-1.0-py3-none-any.whl", "Demo_Lib-1.0.tar.gz")
    write_files(tmp_path / "wheels", dict.fromkeys(names, "content"))
    write_files(entry, {"uv.lock": FLAT, "pyproject.toml": PROJECT})

    class Reading(Format):
        def export(self, copy):
            assert not copy.is_relative_to(tmp_path / "svc")
            return " ".join(f"{path.name}={path.read_text()}" for path in sorted((copy / "../wheels").iterdir()))

    request = ResolutionRequest(entry=entry, target=TARGET)
    lock = Reading(LockFile(path=entry / "uv.lock", format="uv.lock"), request)
    assert lock.exported(store) == " ".join(f"{name}=content" for name in names)
