"""Which lock file applies to an entry directory, by the names of files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.target import Target

LOCK_FORMATS = {
    "pylock.toml": "pylock",
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "Pipfile.lock": "pipenv",
}
"""The lock files that are read, the preferred first: the name of each, and the module of its format in locks/."""

PYLOCK = "pylock.toml"

NOT_LOCKED = "requirements-not-locked"
"""The finding of requirements that no hash pins."""

# PEP 751: `pylock.toml`, or `pylock.<name>.toml` where the name has no dot.
_REQUIREMENTS = "requirements.txt"
_PYLOCK_NAME = re.compile(r"pylock\.([^.]+)\.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFile:
    """A lock file and its format, a name in `LOCK_FORMATS`; `named` tells that the user named it, and it wasn't just found."""

    path: Path
    format: str
    named: bool = False

    @property
    def folder(self) -> Path:
        """The directory that it is in; relative paths in it begin there."""
        return self.path.parent


def name_lock(path: Path) -> LockFile | None:
    """Return the lock file that a path names, or None if it has no lock file's name."""
    format_ = PYLOCK if _PYLOCK_NAME.fullmatch(path.name) else path.name
    return LockFile(path=path, format=format_) if format_ in LOCK_FORMATS else None


def check_requirements_name(path: str | os.PathLike[str]) -> None:
    """Raise `OptionError` for a project file: what it requires is packaged by its lock, and pip can't read it by lines."""
    name = Path(path).name
    if name_lock(Path(path)) is None and (name == "Pipfile" or name.endswith((".toml", ".cfg", ".py"))):
        raise OptionError(
            f"requirements is {str(path)!r}, which is neither a requirements file nor a lock. Write a lock of the project, "
            f"with `cdk-lambda-package lock` or the tool that you use, and name that, such as {PYLOCK!r}; "
            "one in the entry directory or above it is found without being named."
        )


def find_lock_file(entry: Path, *, origin: Path, stop: str = _REQUIREMENTS) -> LockFile | None:
    """Return the lock file that applies to an entry directory.

    The nearest directory counts, from the entry directory to that of the repository. Where there is no repository, those
    above that are a project's count, so that no stray lock applies. In the entry directory, a file named `stop` without
    a lock beside it says what is required, so that nothing above is looked at. `origin` is where
    the user has the entry directory, `entry` that or a copy, with counterparts of the directories above it.
    """
    if found := _find_in(entry, names=(entry.name, origin.name), own=True):
        return found
    if (entry / stop).exists():
        return None
    # Where the repository's root is, and what a directory is, only the original says.
    originals = [*_climb(origin)]
    inside = (originals[-1] / ".git").exists()
    for folder, original in zip(entry.parents, originals[1:], strict=False):
        if (inside or _is_project(original)) and (found := _find_in(folder, names=(origin.name,), own=False)):
            return found
    return None


def _find_in(folder: Path, *, names: tuple[str, ...], own: bool) -> LockFile | None:
    """Return a directory's lock: that of the function's name first, then in the order of `LOCK_FORMATS`.

    Other named locks are those of other functions, unless the only one is in the entry directory itself.
    """
    candidates = [*(f"pylock.{name}.toml" for name in names), *LOCK_FORMATS]
    try:
        # Once, in place of a question for each name.
        found = frozenset(os.listdir(folder))  # noqa: PTH208 - of their names alone
    except OSError:
        # A directory that can't be listed may have files that can be read.
        found = frozenset(candidates)
    # That of a requirements file which a function names is for this function.
    of_files = {
        lock_of(folder / name).name for name in found if name.endswith((".txt", ".in")) and name != _REQUIREMENTS
    }
    named = [name for name in found if name not in (*candidates, *of_files) and _PYLOCK_NAME.fullmatch(name)]
    if own:
        candidates = [name for name in candidates if name not in of_files]
    if own and len(named) == 1:
        candidates.insert(candidates.index(PYLOCK) + 1, named[0])
    return next((name_lock(folder / name) for name in candidates if name in found and (folder / name).is_file()), None)


def _climb(folder: Path) -> Iterator[Path]:
    """Yield a directory and those above it, up to the repository's root or the file system's."""
    yield folder
    while not (folder / ".git").exists() and not os.path.ismount(folder):
        folder = folder.parent
        yield folder


def _is_project(folder: Path) -> bool:
    # By the first, uv and poetry find a project from a directory below it; a CDK app has the last.
    return any((folder / name).is_file() for name in ("pyproject.toml", "Pipfile", "cdk.json"))


def find_repository(folder: Path) -> Path | None:
    """Return the root of the repository that a directory is in, or None."""
    return next((root for root in (folder, *folder.parents) if (root / ".git").exists()), None)


def lock_of(requirements: Path) -> Path:
    """Return where the lock of a requirements file is, if a directory has several files: beside it, with a name of its own.

    Example:
        `lock_of(Path("orders/requirements-api.txt"))` is `orders/pylock.requirements-api.toml`, and that of `requirements.txt` is
        `pylock.toml`.
    """
    own = requirements.name == _REQUIREMENTS
    return requirements.with_name(PYLOCK if own else f"pylock.{requirements.stem.replace('.', '-')}.toml")


LOCK_APP = "cdk-lambda-package lock --app"
"""The command that writes the locks of all functions of a CDK app."""


def lock_command(
    entry: Path, targets: Iterable[Target], *, output: Path | None = None, options: Iterable[str] = ()
) -> str:
    """Return the command that writes an entry directory's lock for targets.

    `output` is said unless it is the default. `options` are further arguments, in the shell's syntax.
    """
    targets = tuple(targets)
    words = dict.fromkeys(f"--runtime {target.runtime.name}" for target in targets)
    words |= dict.fromkeys(f"--architecture {target.architecture.value}" for target in targets)
    words |= dict.fromkeys(options)
    if output not in (None, entry / PYLOCK):
        words[f"--output {shlex.quote(str(output))}"] = None
    return f"cdk-lambda-package lock {shlex.quote(str(entry))} {' '.join(words)}"
