"""Local projects whose version git's tags decide: the copy that is built says of itself what the checkout says."""

import os
import subprocess

import pytest
from entries import write_files
from pip_projects import build, versions
from source_projects import commit, write_project

from cdk_lambda_package.requirements import digest_project, find_history

# A back end that names the version by what git says, as setuptools-scm does: without the variables of git's own.
HOOK = """
import json, os, subprocess
from pathlib import Path

def build_wheel(*words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    told = subprocess.run(["git", "describe", "--dirty", "--tags", "--long", "--match", "*[0-9]*"],
        capture_output=True, text=True, env=environment)
    print(told.stderr)
    tag, distance, _, *dirty = told.stdout.strip().split("-")
    plan = json.loads(Path("plan.json").read_text())
    plan["version"] = tag.lstrip("v") + ("" if distance == "0" else ".post" + distance) + ("+dirty" if dirty else "")
    Path("plan.json").write_text(json.dumps(plan))
    import backend
    return backend.build_wheel(*words)
"""
PYPROJECT = """[build-system]
requires = []
build-backend = "hook"
backend-path = ["."]
[tool.setuptools_scm]
"""


def git(folder, *words):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(project):
    """A repository with a project in its folder `lib`, links and what earlier builds left, at the tag v1.2."""
    folder = write_project(project.root / "repository" / "lib", "lib", files={"hook.py": HOOK})
    write_files(folder, {"pyproject.toml": PYPROJECT, "lib.egg-info/PKG-INFO": "tracked", "more.py": ""})
    write_files(folder.parent, {"other/app.py": ""})
    (folder / "link.py").symlink_to("more.py")
    commit(folder.parent)
    git(folder.parent, "tag", "v1.2")
    return folder


def version_of(project, store, folder):
    return versions(build(project, store, f"lib @ {folder.as_uri()}"))["lib"]


def snapshot(folder):
    return {path: (path.lstat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_the_version_is_that_of_the_checkout_and_nothing_is_written_to_it(project, store, checkout):
    before = snapshot(checkout.parent)
    assert version_of(project, store, checkout) == "1.2"
    assert snapshot(checkout.parent) == before


@pytest.mark.thorough
def test_a_commit_a_tag_and_a_change_make_other_versions(project, store, checkout):
    write_files(checkout.parent, {"other/new.py": ""})
    commit(checkout.parent)
    assert version_of(project, store, checkout) == "1.2.post1"
    git(checkout.parent, "tag", "v1.3")
    assert version_of(project, store, checkout) == "1.3"
    write_files(checkout, {"more.py": "x = 1"})
    assert version_of(project, store, checkout) == "1.3+dirty"


def test_a_worktree_and_a_submodule_have_the_version_of_their_repository(project, store, checkout):
    repository = checkout.parent
    git(repository, "worktree", "add", "../worktree")
    assert version_of(project, store, project.root / "worktree" / "lib") == "1.2"
    # The folder with git's link is the project's own.
    git(checkout.parent, "mv", "lib/pyproject.toml", "lib/hook.py", "lib/backend.py", "lib/plan.json", ".")
    git(repository, "commit", "-m", "flat")
    git(repository, "tag", "v2.0")
    write_files(project.root / "super", {"app.py": ""})
    commit(project.root / "super")
    git(project.root / "super", "-c", "protocol.file.allow=always", "submodule", "add", repository.as_uri(), "part")
    assert version_of(project, store, project.root / "super" / "part") == "2.0"


def test_the_variables_of_a_git_hook_lead_to_no_other_repository(project, store, checkout, monkeypatch):
    monkeypatch.setenv("GIT_DIR", os.fspath(project.root / "nowhere"))
    assert version_of(project, store, checkout) == "1.2"


def test_a_project_with_a_version_of_its_own_is_no_other_after_a_commit(project):
    folder = write_project(project.root / "plain", "plain")
    commit(folder)
    before = digest_project(folder)
    git(folder, "tag", "v9")
    assert find_history(folder) is None
    assert digest_project(folder) == before


def test_a_project_without_a_repository_has_no_history(project, checkout):
    loose = write_project(project.root / "loose", "loose", pyproject="[tool.hatch.version]\nsource = 'vcs'\n")
    assert find_history(loose) is None
    assert find_history(checkout).subfolder == "lib"
