"""A commit of the repository, checked out into a folder of the store: neither the working tree nor the index is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cdk_lambda_package.errors import PackageError, describe_error, shorten
from cdk_lambda_package.processes import run_process
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A directory of a commit, as git writes it: `revision:path`, from the root of the repository.

    https://git-scm.com/docs/gitrevisions
    """

    revision: str
    path: str


def parse_commit(text: str) -> Commit | None:
    """Return the directory of a commit that a text names; None if it names none.

    Example:
        `parse_commit("main:orders")` is `Commit(revision="main", path="orders")`.
    """
    revision, separator, path = text.partition(":")
    parts = PurePosixPath(path)
    if not separator or not revision or revision.startswith("-") or parts.is_absolute() or ".." in parts.parts:
        return None
    return Commit(revision=revision, path=path or ".")


@contextmanager
def checked_out(commit: Commit, store: Store, progress: Progress) -> Iterator[Path]:
    """Lend a folder with all files of a commit; errors in the block name the commit in the place of that folder.

    Submodules aren't in it. Raises `PackageError` outside of a repository, and for a revision that there isn't.

    Example:
        `with checked_out(Commit(revision="main", path="orders"), Store.open(), QUIET) as folder: …`
    """
    if shutil.which("git") is None:
        raise PackageError(f"{commit.revision}:{commit.path} is a directory of a commit, and git isn't on PATH.")
    with store.workspace() as workspace:
        folder, index = workspace / "commit", workspace / "index"
        root = _git(["rev-parse", "--show-toplevel"], Path.cwd(), {}).strip()
        named = _git(["rev-parse", "--verify", "--quiet", f"{commit.revision}^{{commit}}"], Path(root), {}).strip()
        with progress.step(f"checking out {commit.revision}"):
            # Another index than the user's, so that nothing of the repository changes.
            _git(["read-tree", named], Path(root), {"GIT_INDEX_FILE": str(index)})
            _git(["checkout-index", "--all", f"--prefix={folder}/"], Path(root), {"GIT_INDEX_FILE": str(index)})
            # It is the root of a repository, as the original.
            folder.joinpath(".git").mkdir(parents=True)
        try:
            yield folder
        except PackageError as error:
            text = describe_error(error).replace(f"{folder}{os.sep}", f"{commit.revision}:")
            raise PackageError(text.replace(str(folder), commit.revision)) from error


def _git(words: list[str], folder: Path, variables: dict[str, str]) -> str:
    done = run_process(["git", *words], folder, {**os.environ, **variables}, separate=True)
    if done.status:
        reason = shorten(done.output.strip().removeprefix("fatal: ")) or (
            f"there is no commit {words[-1].partition('^')[0]}, and a shallow clone has only the newest ones"
        )
        raise PackageError(f"git can't read the commit: {reason}. Name a revision of the repository that you are in.")
    return done.result.decode()
