"""Which binaries of a package Lambda can't load, and why: by their names, the libraries that they need, and the system.

A tag is between an extension module's name and its suffix: `_x.cpython-313-x86_64-linux-gnu.so` (PEP 3149), `_x.abi3.so`
(PEP 384), `_x.cp313-win_amd64.pyd`. A name without a tag is for every Python.

Shared libraries are searched in the order of ld.so(8): RPATH of the file and of what loads it, unless the file has a
RUNPATH; LD_LIBRARY_PATH, in which the system's own directories are first; RUNPATH. A library that is loaded already is
used, whichever directory it came from.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from cdk_lambda_package.binaries import (
    BinaryFacts,
    BinaryKind,
    Defect,
    Format,
    is_named_as_library,
    is_of_musl,
)
from cdk_lambda_package.target import LIBRARY_FOLDERS, LIBRARY_OF_FAMILY, LibraryPresence, SymbolVersion, Target

OTHER_MACHINE, OTHER_PYTHON = "binary-for-other-machine", "binary-for-other-python"
NEWER_SYSTEM = "binary-needs-newer-system"
BROKEN = "binary-broken"
NOT_FOUND = "library-not-found"
UNCERTAIN = "library-uncertain"

_SUFFIXES = (".so", ".pyd")
_TAG = re.compile(r"|abi3|(cpython-|cp)\d+[a-z]*(-.+)?|(pypy|graalpy|pyston).*")

_TASK_ROOT, _LAYER_ROOT = "/var/task", "/opt"

_DEFECTS = {
    Defect.DAMAGED: "is cut off or damaged",
    Defect.MISALIGNED: "has load commands that the loader refuses, such as after `strip`",
    Defect.LFS_POINTER: "is a pointer of Git LFS, and not the binary itself",
    Defect.OTHER: "isn't a binary that Linux knows",
}

# What to say of a library that no wheel for Lambda brings, such as what to require instead.
_ALTERNATIVES = {
    "libpq": "the wheels of psycopg2-binary bring their own libpq",
    "libmysqlclient": "PyMySQL needs no library",
    "libmariadb": "PyMySQL needs no library",
    "libpython3": "its build is for another Python",
}

# Folders whose binaries are samples, which are never imported.
_UNUSED = frozenset({"tests", "test", "testing", "testdata", "fixtures", "examples"})
# Firmware, GPU code and the like are ELF files too, for machines that no host is.
_HOSTS = frozenset({"x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"})

# Parts of paths that distinguish variants: systems, machines, C libraries, Pythons, suffixes.
_SYSTEMS = (
    "linux(?:32|64|gnu|musl)?|manylinux\\d*(?:_\\d+_\\d+)?|musllinux(?:_\\d+_\\d+)?|gnu|glibc|musl|alpine|unknown"
    "|darwin\\d*|mac(?:os)?x?(?:32|64)?|osx(?:32|64)?|apple|windows|win(?:32|64)?|mingw(?:32|64)?|msvc|pc|freebsd"
)
_MACHINES = (
    "x86[-_]64|x86|x64|amd64|intel|i[3-6]86|ia32|aarch64|arm64(?:e|ec)?|armv\\d+[a-z]*|armhf|arm|universal2?"
    "|(?:ppc|powerpc)64(?:le)?|s390x|riscv64|loongarch64|32|64|32bit|64bit"
)
_PYTHONS = "cpython[-_]\\d+[a-z]*|cp\\d+[a-z]*|pypy\\d+[-_]pp\\d+|abi3|py\\d+"
_LIBRARY_SUFFIXES = "so|dylib|dll|pyd|exe"
# Compiled when they are first used: few packages have binaries of their own.
_VARIANT = rf"(?i)[-_.]?(?<![A-Za-z0-9])(?:{_SYSTEMS}|{_MACHINES}|{_PYTHONS}|{_LIBRARY_SUFFIXES})(?![A-Za-z0-9])"


class ExtensionName(NamedTuple):
    """The name of an extension module's file: `module` is the path without suffix, as in `pkg/_x`; `tag` may be ""."""

    module: str
    tag: str
    suffix: str

    def is_searched_by(self, target: Target) -> bool:
        """Return whether the target's Python searches a file of this name when the module is imported."""
        return f"{'.' if self.tag else ''}{self.tag}{self.suffix}" in target.module_suffixes


def _read_extension_name(path: str) -> ExtensionName | None:
    """Return the parts of an extension module's file name; None if no Python would import the file under it."""
    folder, slash, name = path.rpartition("/")
    stem, dot, rest = name.partition(".")
    suffix = next((suffix for suffix in _SUFFIXES if f"{dot}{rest}".endswith(suffix)), None)
    parts = [*folder.split("/"), stem] if folder else [stem]
    if suffix is None or not all(part.isidentifier() for part in parts):
        return None
    tag = f"{dot}{rest}".removesuffix(suffix).removeprefix(".")
    return ExtensionName(f"{folder}{slash}{stem}", tag, suffix) if _TAG.fullmatch(tag) else None


class Fault(NamedTuple):
    """Why Lambda can't load a binary: the `id` of the finding, and a clause that follows the file's name.

    `library` is the missing shared library; None if another build of the binary is needed. `fix` is another fix.

    Example:
        `Fault("library-not-found", "needs libpq.so.5, which neither …", library="libpq.so.5")`
    """

    id: str
    text: str
    library: str | None = None
    fix: str | None = None

    @property
    def is_certain(self) -> bool:
        """False if the binary may be loaded all the same, by a library that Lambda may have."""
        return self.id != UNCERTAIN


class Loader:
    """Finds the libraries that the `binaries` of one package need.

    Attributes:
        target: The target of the package.
        paths: The paths of all its files.
        binaries: The facts of its binaries by path.

    Example:
        `Loader(target, {"lib/libpq.so.5"}, {"_x.so": facts}).fault_of("_x.so", "libpq.so.5")` is None.
    """

    def __init__(
        self,
        target: Target,
        paths: Collection[str],
        binaries: Mapping[str, BinaryFacts],
        *,
        layer_files: Collection[str] = (),
        unknown_layers: Collection[str] = (),
        place_of: Callable[[str], str] = lambda path: f"{_TASK_ROOT}/{path}",
    ) -> None:
        """Take a package with these files; `layer_files` are the paths of the layers' files below /opt.

        `unknown_layers` are the names of layers whose files are unknown. `place_of` returns where a file of the package is on Lambda.
        """
        self.target, self.paths, self.binaries = target, paths, binaries
        self._has_layers, self._unknown_layers = bool(layer_files or unknown_layers), unknown_layers
        self._machine = target.architecture.machine
        self._places = {path: place_of(path) for path in binaries}
        self._at = {place: path for path, place in self._places.items()}
        self._files = {*map(place_of, paths), *(f"{_LAYER_ROOT}/{path}" for path in layer_files)}
        self._names = {file.rpartition("/")[2] for file in self._files}
        self._found: dict[tuple[str, str], str] = {}
        self._expanded: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._loaded = {path: self._load(path) for path in binaries}

    def fault_of(self, path: str, library: str) -> Fault | None:
        """Return why a library isn't there, or may not be, that the file at `path` needs; None if it is.

        A library elsewhere in the package may be loaded by code first, by ctypes for example.
        """
        system = self.target.runtime.system.name
        presence = self.target.runtime.library_presence(library)
        rule = UNCERTAIN
        if (path, library) in self._found or presence is LibraryPresence.CERTAIN:
            return None
        if elsewhere := self._files_by_name.get(library):
            text = f"is at {elsewhere}, where the loader doesn't look unless code loads it first"
        elif self._unknown_layers:
            text = f"the package doesn't have; {' and '.join(self._unknown_layers)} can't be inspected"
        elif presence is LibraryPresence.POSSIBLE:
            text = f"may be missing from {system} as Lambda runs it"
        else:
            rule, alternative = NOT_FOUND, _ALTERNATIVES.get(library.partition(".")[0])
            layers = ", its layers" if self._has_layers else ""
            text = f"neither the package{layers} nor {system} has" + (f" ({alternative})" if alternative else "")
        return Fault(rule, f"needs {library}, which {text}", library)

    def is_absent(self, library: str) -> bool:
        """Return whether neither the system nor a file of the package or of a known layer has a library.

        Example:
            `loader.is_absent("libGL.so.1")` is True without a layer that has it.
        """
        presence = self.target.runtime.library_presence(library)
        return presence is LibraryPresence.ABSENT and library not in self._files_by_name

    def is_module(self, path: str) -> bool:
        """Return whether a binary is an extension module for any Python, by its tag or by what it exports."""
        name = _read_extension_name(path)
        return name is not None and bool(name.tag or name.module.rpartition("/")[2] in self.binaries[path].modules)

    def replaces_system(self, path: str, library: str) -> bool:
        """Return whether a library of the system is found in the package first, which only RPATH can cause."""
        return (path, library) in self._found

    def needed_by(self, paths: Iterable[str]) -> frozenset[str]:
        """Return the package's files that are loaded with these."""
        return frozenset(found for path in paths for found in self._loaded[path])

    def _load(self, root: str) -> frozenset[str]:
        """Load a file and what it needs, breadth first; return the files of the package that were loaded."""
        known = {self.binaries[root].soname or "": self._places[root]}
        waiting: list[tuple[str, tuple[str, ...]]] = [(root, ())]
        loaded: dict[str, None] = {}
        for path, inherited in waiting:  # grows on the way
            facts = self.binaries[path]
            rpath = (*(() if facts.runpath else self._expand(path, facts.rpath)), *inherited)
            for library in facts.libraries:
                place = known.get(library) or self._search(path, library, () if facts.runpath else rpath)
                if place is None:
                    continue
                self._found[path, library] = known[library] = place
                found = self._at.get(place)
                if found is not None and found not in loaded and found != root:
                    loaded[found] = None
                    known[self.binaries[found].soname or found] = place
                    waiting.append((found, rpath))
        return frozenset(loaded)

    def _search(self, path: str, library: str, rpath: tuple[str, ...]) -> str | None:
        """Return the file of the package or a layer that is loaded, None for a library of the system or a missing one."""
        if library.rpartition("/")[2] not in self._names:
            return None
        if self.target.runtime.library_presence(library) is LibraryPresence.CERTAIN:
            places = [f"{folder}/{library}" for folder in rpath]
        else:
            runpath = self._expand(path, self.binaries[path].runpath)
            places = [f"{folder}/{library}" for folder in (*rpath, *LIBRARY_FOLDERS, *runpath)]
        return next(filter(self._is_usable, places), None)

    def _expand(self, path: str, folders: Iterable[str]) -> tuple[str, ...]:
        """Return the folders of a file's RPATH or RUNPATH; the files of one folder mostly have the same."""
        origin, folders = posixpath.dirname(self._places[path]), tuple(folders)
        if (origin, folders) not in self._expanded:
            named = (folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for folder in folders)
            # Relative paths start from the working directory, which is the task root.
            whole = (posixpath.normpath(posixpath.join(_TASK_ROOT, folder)) for folder in named)
            self._expanded[origin, folders] = tuple(whole)
        return self._expanded[origin, folders]

    def _is_usable(self, file: str) -> bool:
        """Return whether the file is there and isn't known to be for another machine: the loader skips such files."""
        path = self._at.get(file)
        return file in self._files and (path is None or self.binaries[path].runs_on(self._machine))

    @cached_property
    def _files_by_name(self) -> Mapping[str, str]:
        """The files that can be loaded, by the name of the file and by the soname in it."""
        named = {file.rpartition("/")[2]: file for file in sorted(self._files, reverse=True) if self._is_usable(file)}
        for path, facts in self.binaries.items():
            if facts.soname and facts.runs_on(self._machine):
                named.setdefault(facts.soname, self._places[path])
        return named


def _build_fault(path: str, facts: BinaryFacts, name: ExtensionName | None, loader: Loader) -> Fault | None:
    """Return why this build of a binary can't be loaded, whichever libraries there are."""
    target = loader.target
    if facts.defect:
        return Fault(BROKEN, _DEFECTS[facts.defect], fix=_fix_of(facts.defect))
    if not facts.runs_on(target.architecture.machine):
        machine = target.architecture.value
        return Fault(OTHER_MACHINE, f"is {facts.description}, and {target} loads 64-bit Linux {machine} binaries only")
    if name and not name.is_searched_by(target):
        *others, last = (suffix for suffix in target.module_suffixes if suffix.endswith(".so"))
        endings = f"{', '.join(others)} or {last}"
        return Fault(OTHER_PYTHON, f"is for another Python: {target} loads names that end in {endings}")
    if facts.python2 and not facts.modules:
        return Fault(OTHER_PYTHON, "is an extension module for Python 2")
    newer = _newer_versions(path, facts, loader, target.runtime.system.updated_symbol_versions)
    if not newer:
        return None
    present = _describe_versions({family: target.runtime.system.symbol_versions[family] for family in newer})
    system = target.runtime.system.name
    return Fault(NEWER_SYSTEM, f"needs {_describe_versions(newer)}, and {target} has {present} ({system})")


def _uncertain_versions(path: str, facts: BinaryFacts, loader: Loader) -> Fault | None:
    """Return which versions a binary needs that the target's system has in some of its images only."""
    system = loader.target.runtime.system
    newer = _newer_versions(path, facts, loader, system.symbol_versions)
    if not newer:
        return None
    names = " and ".join(dict.fromkeys(LIBRARY_OF_FAMILY[family] for family in newer))
    text = f"needs {_describe_versions(newer)}, which {names} of {system.name} may not have as Lambda runs it"
    return Fault(UNCERTAIN, text)


def _fix_of(defect: Defect) -> str:
    if defect is Defect.LFS_POINTER:
        return "Run `git lfs pull` before packaging; in CI, have the checkout fetch what LFS has."
    return "Build or copy it again, or require its distribution in requirements.txt."


def _newer_versions(
    path: str, facts: BinaryFacts, loader: Loader, known: Mapping[str, SymbolVersion]
) -> Mapping[str, SymbolVersion]:
    return {
        family: version
        for family, version in facts.versions.items()
        if version > known[family] and not loader.replaces_system(path, LIBRARY_OF_FAMILY[family])
    }


def _describe_versions(versions: Mapping[str, SymbolVersion]) -> str:
    return " and ".join(_describe_version(family, version) for family, version in versions.items())


def _describe_version(family: str, version: SymbolVersion) -> str:
    """Return a symbol version as the loader's messages do; those of glibc are its releases."""
    text = ".".join(map(str, version))
    return f"glibc {text}" if family == "GLIBC" else f"{family}_{text}"


def _library_faults(path: str, facts: BinaryFacts, loader: Loader) -> Iterator[Fault]:
    """Yield a fault for each library of a binary that is missing or uncertain, or may be too old."""
    musl = next(filter(is_of_musl, (*facts.libraries, facts.interpreter or "")), None)
    if musl:
        system = loader.target.runtime.system.name
        yield Fault(NOT_FOUND, f"was built for Alpine Linux: it needs {musl}, of musl, and {system} has glibc")
        return
    missing = (loader.fault_of(path, library) for library in facts.libraries)
    yield from filter(None, (_uncertain_versions(path, facts, loader), *missing))


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenBinary:
    """A binary that Lambda can't load, or may not, with every reason; `name` is that of an extension module.

    Example:
        `broken_binaries(loader)[0].path`
    """

    path: str
    name: ExtensionName | None
    faults: tuple[Fault, ...]

    @property
    def is_certain(self) -> bool:
        """True if it can't be loaded with any libraries of the system and the layers."""
        return any(fault.is_certain for fault in self.faults)


def broken_binaries(loader: Loader) -> tuple[BrokenBinary, ...]:
    """Return the binaries that can't be loaded, without those that have a variant that can.

    Example:
        `broken_binaries(Loader(target, paths, binaries))[0].faults[0].text` is "needs libpq.so.5, which …".
    """
    judged = [
        _judge(path, loader) for path, facts in sorted(loader.binaries.items()) if _may_be_loaded(path, facts, loader)
    ]
    sound = [binary.path for binary in judged if not binary.is_certain]
    keys = frozenset(map(_variant_key, sound))
    found = frozenset(module for path in sound if (module := module_of(path, loader)) is not None)
    broken = [binary for binary in judged if binary.faults and not _is_spare(binary, keys, found, loader)]
    modules = _one_for_each_module([binary for binary in broken if binary.name], loader)
    units = frozenset(map(unit_of, sound)) - {""}
    modules = [binary for binary in modules if not _is_of_another_system(binary, units, loader)]
    units |= frozenset(unit_of(binary.path) for binary in modules) - {""}
    others = [binary for binary in broken if not binary.name and not _is_redundant(binary, units, modules)]
    return tuple(sorted((*modules, *others), key=lambda binary: binary.path))


def _judge(path: str, loader: Loader) -> BrokenBinary:
    facts, name = loader.binaries[path], _read_extension_name(path)
    fault = _build_fault(path, facts, name, loader)
    return BrokenBinary(path=path, name=name, faults=(fault,) if fault else tuple(_library_faults(path, facts, loader)))


def _may_be_loaded(path: str, facts: BinaryFacts, loader: Loader) -> bool:
    if facts.defect and not _would_be_loaded(path, facts, loader):
        return False
    # Programs for Windows are launchers that installers include; they aren't started on Linux.
    windows_program = facts.format is Format.PE and facts.kind is BinaryKind.PROGRAM
    foreign = facts.format is Format.ELF and facts.machine not in _HOSTS
    sample = not _UNUSED.isdisjoint(path.split("/")[:-1])
    return facts.kind is not BinaryKind.OBJECT and not (windows_program or foreign or sample)


def _would_be_loaded(path: str, facts: BinaryFacts, loader: Loader) -> bool:
    """Return whether a defective file is meant to be loaded, by its name and by what it is instead."""
    name = _read_extension_name(path)
    if name is not None and not name.is_searched_by(loader.target):
        return False
    if facts.defect is not Defect.OTHER:
        return is_named_as_library(path) or facts.kind is BinaryKind.PROGRAM
    # A library without a tag may be anything: a link to another, in a checkout on Windows, or a substitute.
    return name is not None and not (name.tag == "" and path.rpartition("/")[2].startswith("lib"))


def _is_spare(binary: BrokenBinary, sound: frozenset[str], modules: frozenset[str], loader: Loader) -> bool:
    """Return whether something else is loaded instead: a variant for this target, or a module's source.

    `sound` are the keys of the variants that can be loaded, `modules` the modules that they are.
    """
    if not binary.is_certain:
        return False
    name = binary.name
    if _variant_key(binary.path) in sound or name is None or name.is_searched_by(loader.target):
        return _variant_key(binary.path) in sound
    # Python uses another build or the source if it doesn't search the name of the compiled module.
    if name.module in modules:
        return True
    sources = (f"{name.module}.py", f"{name.module}.pyc", f"{name.module}/__init__.py")
    return any(path in loader.paths for path in sources)


def _one_for_each_module(broken: Iterable[BrokenBinary], loader: Loader) -> list[BrokenBinary]:
    """Return of a module for several Pythons the file that Python searches, else the nearest."""
    modules: dict[str, list[BrokenBinary]] = {}
    for binary in broken:
        modules.setdefault(binary.name.module if binary.name else binary.path, []).append(binary)
    left: list[BrokenBinary] = []
    for binaries in modules.values():
        sought = [binary for binary in binaries if binary.name and binary.name.is_searched_by(loader.target)]
        nearest = next((binary for binary in binaries if binary.faults[0].id == OTHER_PYTHON), binaries[0])
        left += sought or [nearest]
    return left


def _is_of_another_system(binary: BrokenBinary, units: frozenset[str], loader: Loader) -> bool:
    """Return whether it is a module that only Windows or macOS searches, in a package with binaries for Linux."""
    sought = binary.name is not None and binary.name.is_searched_by(loader.target)
    foreign = loader.binaries[binary.path].format is not Format.ELF
    return foreign and not sought and unit_of(binary.path) in units


def _is_redundant(binary: BrokenBinary, units: frozenset[str], modules: list[BrokenBinary]) -> bool:
    """Return whether it is for other targets, while one for this target is there or is reported as missing already."""
    fault = binary.faults[0]
    is_for_others = fault.id == OTHER_MACHINE or (fault.id == NOT_FOUND and fault.library is None)
    # In these folders, repaired wheels have the libraries of their modules.
    beside = binary.path.partition("/")[0].endswith(".libs") and bool(modules)
    return is_for_others and (beside or unit_of(binary.path) in units)


def unit_of(path: str) -> str:
    """Return the package that a binary is part of, "" for one in a folder without a package.

    Example:
        `unit_of("psycopg2/_psycopg.so")` is "psycopg2".
    """
    top, slash, _ = path.partition("/")
    return top.removesuffix(".libs") if slash and top not in ("bin", "lib") else ""


def _variant_key(path: str) -> str:
    """Return the common part of the paths of variants, such as `pkg/bin/*/tool` for `pkg/bin/darwin/tool`."""
    return "/".join(re.sub(_VARIANT, "", part).removeprefix("lib") or "*" for part in path.split("/"))


def module_of(path: str, loader: Loader) -> str | None:
    """Return the module that the target's Python imports from a file, by its path without suffix; None if it imports none.

    Example:
        `module_of("cv2/cv2.abi3.so", loader)` is "cv2/cv2".
    """
    facts, name = loader.binaries[path], _read_extension_name(path)
    if name is None or not (name.is_searched_by(loader.target) and facts.runs_on(loader.target.architecture.machine)):
        return None
    return name.module if name.module.rpartition("/")[2] in facts.modules else None


def module_stem(path: str) -> str:
    """Return the path of an extension module without its tag and suffix, whichever Python and system it is for.

    Example:
        `module_stem("pkg/_x.cpython-39-darwin.so")` is "pkg/_x".
    """
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"
