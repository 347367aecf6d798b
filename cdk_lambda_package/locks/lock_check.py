"""Whether a lock is that of the requirements beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.pylock import Pylock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from cdk_lambda_package.locks.lock_export import name_project, read_toml
from cdk_lambda_package.requirements import TOOL, LockedWheel, LockFile, LockKind, read_project, read_requirements
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import without_credentials


@dataclass(frozen=True, kw_only=True, slots=True)
class Direct:
    """A requirement of the app's own, as it is written and where."""

    text: str
    place: str

    @property
    def requirement(self) -> Requirement | None:
        """The requirement, or None where it has a form that names no distribution, such as a path."""
        try:
            return Requirement(self.text)
        except InvalidRequirement:
            return None

    @property
    def name(self) -> NormalizedName | None:
        """The normalised name, as far as there is one."""
        return canonicalize_name(self.requirement.name) if self.requirement else None


def find_direct(lock: LockFile, entry: Path) -> tuple[Direct, ...]:
    """Return the requirements that the lock must satisfy: those of the files that it stands beside.

    That is requirements.txt, and for a lock of uv's, or one without requirements.txt, the dependencies in
    pyproject.toml.
    """
    found = list(_read_file(_requirements_of(lock), lock.folder))
    # poetry and pipenv know themselves whether their lock is up to date.
    if lock.kind is LockKind.UV or (lock.kind is LockKind.PYLOCK and not found):
        found += _read_project(name_project(lock, entry), lock.folder)
    return tuple(found)


def find_own_names(lock: LockFile, entry: Path, groups: Iterable[str]) -> frozenset[str]:
    """Return the normalised names that a project requires itself, groups included, to tell them from what these need."""
    path = lock.folder / "Pipfile" if lock.kind is LockKind.PIPENV else name_project(lock, entry)
    content = read_toml(path) if path.is_file() else {}
    if lock.kind is LockKind.PIPENV:
        tables = [content.get(key, {}) for key in ("packages", *groups)]
        return frozenset(canonicalize_name(name) for table in tables for name in table)
    poetry, project = content.get("tool", {}).get("poetry", {}), content.get("project", {})
    tables = [poetry.get("dependencies", {})]
    tables += [poetry.get("group", {}).get(key, {}).get("dependencies", {}) for key in groups]
    lines = [*project.get("dependencies", ())]
    lines += [line for rows in project.get("optional-dependencies", {}).values() for line in rows]
    lines += [line for key in groups for line in content.get("dependency-groups", {}).get(key, ())]
    names = [Direct(text=str(line), place="").name or "" for line in lines]
    return frozenset(map(canonicalize_name, (*names, *(name for table in tables for name in table)))) - {"", "python"}


def find_unsatisfied(
    direct: Iterable[Direct],
    wheels: Sequence[LockedWheel],
    provided: Iterable[str],
    target: Target,
    pylock: Pylock,
) -> list[str]:
    """Say of each requirement that the lock doesn't satisfy on the target what is the matter."""
    known = {wheel.name: wheel for wheel in wheels}
    left_out = {canonicalize_name(name) for name in provided}
    locked_extras = find_locked_extras(pylock)
    problems: dict[str, None] = {}
    for one in direct:
        requirement, name = one.requirement, one.name
        if requirement is None or name in left_out or not target.accepts_marker(requirement.marker):
            continue
        wheel = known.get(str(name))
        missing = set(map(canonicalize_name, requirement.extras)) - locked_extras.get(
            str(name), set(map(canonicalize_name, requirement.extras))
        )
        if wheel is None:
            problems[f"{one.place} asks for {one.text}, which it doesn't have for {target}"] = None
        elif not requirement.specifier.contains(wheel.version, prereleases=True):
            problems[f"{one.place} asks for {one.text}, but it has {wheel.version}"] = None
        elif missing:
            problems[f"{one.place} asks for {one.text}, but it was written without {', '.join(sorted(missing))}"] = None
    return list(problems)


def find_locked_extras(pylock: Pylock) -> Mapping[str, set[str]]:
    """Return the extras with which a lock of this library's own was resolved, by name; others don't say."""
    ours = (pylock.tool or {}).get(TOOL, {})
    found: dict[str, set[str]] = {}
    if pylock.created_by == TOOL:
        for row in ours.get("requirements", ()):
            found.setdefault(row["name"], set()).update(map(canonicalize_name, row.get("extras", ())))
    return found


def _requirements_of(lock: LockFile) -> Path:
    """Return the requirements file that a lock belongs to: the one that it names, else the one beside it."""
    if lock.kind is LockKind.PYLOCK:
        ours = read_toml(lock.path).get("tool", {}).get(TOOL, {})
        if str(ours.get("requirements-file", "")).endswith(".txt"):
            return lock.folder / str(ours["requirements-file"])
    return lock.folder / "requirements.txt"


def _read_file(path: Path, folder: Path) -> Iterator[Direct]:
    if path.is_file():
        for line in read_requirements(path):
            yield Direct(text=without_credentials(line.text), place=f"{os.path.relpath(line.path, folder)}:{line.line}")


def _read_project(path: Path, folder: Path) -> Iterator[Direct]:
    for text in read_project(path):
        yield Direct(text=without_credentials(text), place=os.path.relpath(path, folder))
