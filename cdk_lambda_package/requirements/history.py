"""The git history of a local project, for back ends that take the version from its tags: setuptools-scm, hatch-vcs and others.

A project is built in a copy. The copy gets a repository of its own, which borrows the commits of the original and says of the
project's files what git says in the original: `git describe` gives the same answer. Nothing is written to the original.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cdk_lambda_package.processes import Finished, Runner, run_process

_SETTINGS = ("pyproject.toml", "setup.py", "setup.cfg")
_VERSIONING = re.compile(
    r"setuptools[-_]scm|use_scm_version|hatch[-_]vcs|vcs[-_]versioning|versioningit|versioneer|\bpbr\b|dunamai|flit[-_]scm"
    r"|dynamic[-_]versioning|setuptools[-_]git[-_]versioning|git[ '\",]+describe|source *= *['\"](vcs|scm)['\"]"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The repository of a project: its root, and where in it the project lies (`.` if it is the root)."""

    root: Path
    subfolder: str

    def digest(self) -> str:
        """Return what decides on the version: the commit, the tags, and whether a file differs from the commit."""
        # Not `describe --dirty`, which writes to the index whatever GIT_OPTIONAL_LOCKS says.
        commit = _git(self.root, "rev-parse", "HEAD")
        tags = _git(self.root, "for-each-ref", "refs/tags", "--format=%(refname) %(objectname)")
        changed = _git(self.root, "diff", "--quiet", "HEAD")
        return f"{commit.result!r} {tags.result!r} {changed.status}"

    def copy(self, target: Path, runner: Runner = run_process) -> bool:
        """Give the copy of the repository's folder a repository; return whether it has one. There is none if git fails.

        `target` has the copy of the project at the same subfolder.
        """
        clone = target.parent / f"{target.name}.git"
        origin = _git(
            self.root, "clone", "--quiet", "--shared", "--no-checkout", str(self.root), str(clone), runner=runner
        )
        if origin.status != 0:
            return False
        shutil.move(clone / ".git", target / ".git")
        shutil.rmtree(clone)
        # Its status tells that files differ, as they do; the next command tells whether it worked.
        _git(target, "reset", "--quiet", "--mixed", "HEAD", runner=runner)
        _git(target, "update-index", "-q", "--refresh", runner=runner)
        # The copy has neither links nor what other folders and earlier builds hold; none of that is a change.
        copied = _git(target, "diff-files", "--name-only", "-z", runner=runner)
        original = _git(self.root, "diff", "--name-only", "-z", "HEAD", runner=runner)
        same = sorted(_names(copied) - _names(original))
        listed = b"".join(name + b"\0" for name in same)
        marked = _git(target, "update-index", "--skip-worktree", "-z", "--stdin", runner=runner, content=listed)
        if any(one.status != 0 for one in (copied, original, marked)):
            # A wrong answer of git's would be a wrong version.
            shutil.rmtree(target / ".git")
            return False
        return True


def find_history(project: Path) -> History | None:
    """Return the repository of a project whose version git's tags decide; None for other projects, and without a repository.

    Example:
        `find_history(Path("../lib")).subfolder` is "." if `lib` is a clone.
    """
    if not _takes_version_from_git(project):
        return None
    real = Path(os.path.realpath(project))
    root = next((folder for folder in (real, *real.parents) if (folder / ".git").exists()), None)
    if root is None or shutil.which("git") is None:
        return None
    return History(root=root, subfolder=real.relative_to(root).as_posix())


def _takes_version_from_git(project: Path) -> bool:
    for name in _SETTINGS:
        try:
            text = (project / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if _VERSIONING.search(text):
            return True
    return False


def _git(folder: Path, *words: str, runner: Runner = run_process, content: bytes = b"") -> Finished:
    # Variables such as GIT_DIR, which a git hook has, would lead to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Not even the index of the original is refreshed.
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    return runner(["git", *words], folder, environment, separate=True, input=content)


def _names(finished: Finished) -> set[bytes]:
    return set(filter(None, finished.result.split(b"\0")))
