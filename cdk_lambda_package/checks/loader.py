"""Where Lambda's dynamic loader looks for a shared library, and what it finds there. Pure.

The order is that of ld.so(8): RPATH of the file and of what loads it, unless the file has a RUNPATH; LD_LIBRARY_PATH, in
which the system's own directories are first; RUNPATH. What is loaded already is taken whatever directory it came from.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.target import LIBRARY_FOLDERS, LibraryPresence

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
        self._found: dict[tuple[str, str], str] = {}
        self._loaded = {path: self._load(path) for path in contents.binaries}

    def find(self, path: str, library: str) -> Lookup:
        """Look for a library that the package's file at `path` needs, loaded by itself or by what needs it."""
        place = self._found.get((path, library))
        presence = self._contents.target.library_presence(library)
        if place or presence is LibraryPresence.CERTAIN:
            return Lookup(Outcome.FOUND, place or "")
        elsewhere = self._files_by_name.get(library)
        if elsewhere:
            return Lookup(Outcome.ELSEWHERE, elsewhere)
        if any(not layer.known for layer in self._contents.layers):
            return Lookup(Outcome.UNKNOWN_LAYER)
        return Lookup(Outcome.POSSIBLE if presence is LibraryPresence.POSSIBLE else Outcome.MISSING)

    def replaces_system(self, path: str, library: str) -> bool:
        """Tell whether a library that the system has is found in the package first, which only RPATH brings about."""
        return (path, library) in self._found

    def needed_by(self, paths: Iterable[str]) -> frozenset[str]:
        """Return the package's files that are loaded with these."""
        return frozenset(found for path in paths for found in self._loaded[path])

    def _load(self, root: str) -> frozenset[str]:
        """Load a file and what it needs, breadth first, noting what is found; return what of the package was loaded."""
        known = {self._contents.binaries[root].soname or "": f"{_TASK_ROOT}/{root}"}
        waiting: list[tuple[str, tuple[str, ...]]] = [(root, ())]
        loaded: dict[str, None] = {}
        for path, inherited in waiting:  # grows on the way
            facts = self._contents.binaries[path]
            rpath = (*(() if facts.runpath else self._expand(path, facts.rpath)), *inherited)
            for library in facts.libraries:
                place = known.get(library) or self._search(path, library, () if facts.runpath else rpath)
                if place is None:
                    continue
                self._found[path, library] = known[library] = place
                found = place.removeprefix(f"{_TASK_ROOT}/")
                if found in self._contents.binaries and found not in loaded and found != root:
                    loaded[found] = None
                    known[self._contents.binaries[found].soname or found] = place
                    waiting.append((found, rpath))
        return frozenset(loaded)

    def _search(self, path: str, library: str, rpath: tuple[str, ...]) -> str | None:
        """Return the file of the package or a layer that is taken, None where it is the system's or nowhere."""
        if "/" in library:
            places = [posixpath.normpath(posixpath.join("/", _TASK_ROOT, library)).lstrip("/")]
        elif self._contents.target.library_presence(library) is LibraryPresence.CERTAIN:
            places = [f"{folder}/{library}" for folder in rpath]
        else:
            runpath = self._expand(path, self._contents.binaries[path].runpath)
            places = [f"{folder}/{library}" for folder in (*rpath, *LIBRARY_FOLDERS, *runpath)]
        return next(filter(self._is_usable, places), None)

    def _expand(self, path: str, folders: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._expand_one(path, folder) for folder in folders)

    def _expand_one(self, path: str, folder: str) -> str:
        values = {"ORIGIN": posixpath.dirname(f"/{_TASK_ROOT}/{path}"), "LIB": "lib64", "PLATFORM": self._machine}
        for name, value in values.items():
            folder = folder.replace(f"${{{name}}}", value).replace(f"${name}", value)
        # What is relative counts from the working directory, which is the task root.
        return posixpath.normpath(posixpath.join(f"/{_TASK_ROOT}", folder)).lstrip("/")

    def _is_usable(self, file: str) -> bool:
        """Tell whether the file is there, and of this machine as far as is known: the loader passes over others."""
        facts = self._contents.binaries.get(file.removeprefix(f"{_TASK_ROOT}/"))
        return file in self._files and (facts is None or facts.runs_on(self._machine))

    @cached_property
    def _files_by_name(self) -> Mapping[str, str]:
        """All that can be loaded, by its file's name and by the name that it gives itself."""
        named = {file.rpartition("/")[2]: file for file in sorted(self._files, reverse=True) if self._is_usable(file)}
        for path, facts in self._contents.binaries.items():
            if facts.soname and facts.runs_on(self._machine):
                named.setdefault(facts.soname, f"{_TASK_ROOT}/{path}")
        return named
