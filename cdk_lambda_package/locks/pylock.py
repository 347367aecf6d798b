"""pylock.toml (PEP 751), which this library, pip, uv and others write."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import LockError
from cdk_lambda_package.locks.lock_format import LockFormat
from cdk_lambda_package.requirements import Direct, parse_pylock
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.toml_files import decode_toml, read_toml

if TYPE_CHECKING:
    from packaging.pylock import Pylock

    from cdk_lambda_package.building import Built

_Ours = TypedDict("_Ours", {"requirements-file": str}, total=False)
# Not by TOOL: a type checker reads it.
_Tool = TypedDict("_Tool", {"cdk-lambda-package": _Ours}, total=False)


class _Lock(TypedDict, total=False):
    tool: _Tool


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a lock, equal to that of any other place: functions have copies of one."""

    content: bytes
    place: Path = field(compare=False)


@lru_cache(maxsize=64)
def _named_in(lock: _Content) -> str:
    """Return the requirements file that a lock of this library's own names, "" if it names none. Raises `LockError`."""
    tool = decode_toml(lock.content, _Lock, lock.place).get("tool", {})
    return tool.get("cdk-lambda-package", {}).get("requirements-file", "")


def find_source(path: Path) -> Path | None:
    """Return what a lock is made of, if `cdk-lambda-package lock` wrote it: a requirements file or pyproject.toml.

    None for a lock of another tool. Raises `LockError` for a file that isn't TOML.

    Example:
        `find_source(Path("orders/pylock.toml"))` is `orders/requirements.txt`.
    """
    own = read_toml(path, _Lock).get("tool", {}).get("cdk-lambda-package")
    if own is None:
        return None
    # One of an app without a requirements file names none.
    return Path(os.path.normpath(path.parent / own.get("requirements-file", "requirements.txt")))


class Format(LockFormat):
    """A lock in which each file has its URL and hash."""

    def read(self, store: Store) -> tuple[Pylock, tuple[Built, ...]]:  # noqa: ARG002 - nothing is built to know it
        """Return the lock; nothing is built."""
        return self.parse(self.content), ()

    @property
    def requirements_file(self) -> Path | None:
        """The requirements file that the lock names; None if it names none."""
        named = _named_in(_Content(self.raw, self.lock.path))
        return self.lock.folder / named if named.endswith(".txt") else None

    def direct(self) -> tuple[Direct, ...]:
        """Return the requirements of the file that the lock names, else of requirements.txt, else of pyproject.toml."""
        path = self.requirements_file or self.lock.folder / "requirements.txt"
        return tuple(self.requirements_of(path)) or tuple(self.requirements_of(self.project_file))

    def selection(self, pylock: Pylock) -> tuple[frozenset[str], frozenset[str]]:
        """Return the lock's default groups without dev, and the groups and extras that the request names."""
        request = self.request
        self._refuse_unknown("groups", request.groups, pylock.dependency_groups or ())
        self._refuse_unknown("extras", request.extras, pylock.extras or ())
        groups = frozenset(pylock.default_groups or ()) - {"dev"} | frozenset(request.groups)
        return groups, frozenset(map(canonicalize_name, request.extras))

    def _refuse_unknown(self, option: str, asked: Iterable[str], known: Iterable[str]) -> None:
        names = {canonicalize_name(name) for name in known}
        missing = [name for name in asked if canonicalize_name(name) not in names]
        if missing:
            has = f"has {', '.join(sorted(known))}" if names else "has none"
            raise LockError(f"{option} {', '.join(missing)}: {self.lock.path} {has}.")


def locked_versions(path: Path, target: Target) -> tuple[tuple[str, str], ...]:
    """Return the versions that a lock has for a target, or for others if it doesn't know this one; none without a lock.

    Raises `LockError` for a lock that can't be read.

    Example:
        `locked_versions(Path("pylock.toml"), Target.parse("python3.14"))` is `(("six", "1.17.0"),)`.
    """
    try:
        packages = parse_pylock(read_toml(path, dict[str, Any]), path).packages if path.exists() else ()
        return tuple(
            (package.name, str(package.version))
            for package in packages
            if package.version
            and (package.marker is None or package.marker.evaluate(target.environment, context="lock_file"))
        )
    except (LookupError, ValueError, RecursionError) as error:
        raise LockError(f"{path} can't be read: {error}.") from error
