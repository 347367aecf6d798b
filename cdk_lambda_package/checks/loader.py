"""Where Lambda's dynamic loader looks for a shared library, and what it finds there. Pure.

The order is that of ld.so(8): RPATH of the file and of what loads it, unless the file has a RUNPATH; LD_LIBRARY_PATH, in
which the system's own directories are first; RUNPATH. What is loaded already is taken whatever directory it came from.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.system_libraries import SEARCHED, Presence, find_presence

_TASK_ROOT, _LAYER_ROOT = "var/task", "opt"


class Outcome(enum.Enum):
    """What comes of looking for a shared library."""

    FOUND = enum.auto()
    ELSEWHERE = enum.auto()
    """In the package or a layer, where the loader doesn't look: code may load it first, by ctypes for example."""
    UNKNOWN_LAYER = enum.auto()
    POSSIBLE = enum.auto()
    """The system may have it."""
    MISSING = enum.auto()


class Lookup(NamedTuple):
    """`place` is the file below the root that was found, "" where the system has it or nothing does."""

    outcome: Outcome
    place: str = ""


class Loader:
    """Looks for the libraries that the binaries of one package need."""

    def __init__(self, contents: PackageContents) -> None:
        self._contents = contents
        self._machine = contents.target.architecture.machine
        self._files = {f"{_TASK_ROOT}/{path}" for path in contents.entries}
        self._files |= {f"{_LAYER_ROOT}/{path}" for layer in contents.layers for path in layer.files}
        self._by_name: dict[str, str] = {}
        for file in sorted(self._files):
            self._by_name.setdefault(file.rpartition("/")[2], file)
        for path, facts in contents.binaries.items():
            if facts.soname and facts.runs_on(self._machine):
                self._by_name.setdefault(facts.soname, f"{_TASK_ROOT}/{path}")
        self._users = self._find_users()

    def find(self, path: str, library: str) -> Lookup:
        """Look for a library that the package's file at `path` needs."""
        place = self._search(path, library)
        if place:
            return Lookup(Outcome.FOUND, place)
        presence = find_presence(library, self._contents.target)
        if presence is Presence.CERTAIN or any(self._loads_first(user, library) for user in self._all_users(path)):
            return Lookup(Outcome.FOUND)
        elsewhere = self._by_name.get(library, "")
        if elsewhere and self._is_usable(elsewhere):
            return Lookup(Outcome.ELSEWHERE, elsewhere)
        if any(not layer.known for layer in self._contents.layers):
            return Lookup(Outcome.UNKNOWN_LAYER)
        return Lookup(Outcome.POSSIBLE if presence is Presence.POSSIBLE else Outcome.MISSING)

    def replaces_system(self, path: str, library: str) -> bool:
        """Tell whether a library of the system's is found in the package first, which only RPATH brings about."""
        return any(self._is_usable(f"{folder}/{library}") for folder in self._rpath(path))

    def needed_by(self, paths: Iterable[str]) -> frozenset[str]:
        """Return the package's files that the loader takes along with these, itself or for one another."""
        needed: set[str] = set()
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            for library in self._contents.binaries[path].libraries:
                place = self._search(path, library)
                found = place.removeprefix(f"{_TASK_ROOT}/") if place else ""
                if found in self._contents.binaries and found not in needed:
                    needed.add(found)
                    waiting.append(found)
        return frozenset(needed)

    def _loads_first(self, user: str, library: str) -> bool:
        """Tell whether a file that loads another one loads this library too, or hands its RPATH on."""
        facts = self._contents.binaries[user]
        return (library in facts.libraries and self._search(user, library) is not None) or any(
            self._is_usable(f"{folder}/{library}") for folder in self._rpath(user)
        )

    def _search(self, path: str, library: str) -> str | None:
        if "/" in library:
            place = posixpath.normpath(posixpath.join("/", _TASK_ROOT, library)).lstrip("/")
            return place if self._is_usable(place) else None
        folders = (*self._rpath(path), *SEARCHED, *self._expand(path, self._contents.binaries[path].runpath))
        return next((place for folder in folders if self._is_usable(place := f"{folder}/{library}")), None)

    def _rpath(self, path: str) -> tuple[str, ...]:
        facts = self._contents.binaries[path]
        return () if facts.runpath else tuple(self._expand(path, facts.rpath))

    def _expand(self, path: str, folders: Iterable[str]) -> Iterator[str]:
        values = {"ORIGIN": posixpath.dirname(f"/{_TASK_ROOT}/{path}"), "LIB": "lib64", "PLATFORM": self._machine}
        for folder in folders:
            expanded = folder
            for name, value in values.items():
                expanded = expanded.replace(f"${{{name}}}", value).replace(f"${name}", value)
            # What is relative counts from the working directory, which is the task root.
            yield posixpath.normpath(posixpath.join(f"/{_TASK_ROOT}", expanded)).lstrip("/")

    def _is_usable(self, file: str) -> bool:
        """Tell whether the file is there, and of this machine as far as is known: the loader passes over others."""
        facts = self._contents.binaries.get(file.removeprefix(f"{_TASK_ROOT}/"))
        return file in self._files and (facts is None or facts.runs_on(self._machine))

    def _find_users(self) -> dict[str, set[str]]:
        users: dict[str, set[str]] = {}
        for path, facts in self._contents.binaries.items():
            for library in facts.libraries:
                place = self._search(path, library)
                if place is not None:
                    users.setdefault(place.removeprefix(f"{_TASK_ROOT}/"), set()).add(path)
        return users

    def _all_users(self, path: str) -> Iterator[str]:
        seen, waiting = {path}, [path]
        while waiting:
            for user in sorted(self._users.get(waiting.pop(), set()) - seen):
                seen.add(user)
                waiting.append(user)
                yield user
