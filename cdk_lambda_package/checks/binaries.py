"""Do the binaries load on the target for which no wheel tag vouches?

These are the user's own, those of wheels that were built here, and those of `linux_*` wheels, which were built for some
Linux machine, with any glibc (PEP 513). A certain failure is an error: an extension module that can't be imported, and a
library that it needs. Anything else, such as a program that may never be started, is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cdk_lambda_package.binaries import BinaryFacts, BinaryKind, Defect, Format, is_named_as_library
from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.checks.loading import (
    NOT_FOUND,
    OTHER_MACHINE,
    OTHER_PYTHON,
    UNCERTAIN,
    ExtensionName,
    Fault,
    Loader,
    faults_of,
    read_extension_name,
)
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import ImportStatement

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
    "|ppc64(?:le)?|s390x|riscv64|32|64|32bit|64bit"
)
_PYTHONS = "cpython[-_]\\d+[a-z]*|cp\\d+[a-z]*|pypy\\d+[-_]pp\\d+|abi3|py\\d+"
_SUFFIXES = "so|dylib|dll|pyd|exe"
_VARIANT = re.compile(
    rf"[-_.]?(?<![A-Za-z0-9])(?:{_SYSTEMS}|{_MACHINES}|{_PYTHONS}|{_SUFFIXES})(?![A-Za-z0-9])", re.IGNORECASE
)
_PLATFORM = re.compile(rf"(?<![A-Za-z0-9])(?:{_SYSTEMS}|{_MACHINES})(?![A-Za-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenBinary:
    """A binary that Lambda can't load, or may not, with every reason; `name` is that of an extension module."""

    path: str
    name: ExtensionName | None
    faults: tuple[Fault, ...]

    @property
    def is_certain(self) -> bool:
        """True if it can't be loaded with any libraries of the system and the layers."""
        return any(fault.id != UNCERTAIN for fault in self.faults)


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each kind of fault, with the binaries of one package that share it."""
    loader = Loader(contents.target, contents.entries, contents.binaries, contents.layers)
    broken = broken_binaries(loader)
    if not broken:
        return
    severities = _severities(broken, loader, contents)
    groups: dict[tuple[str, str, Fault, Severity], list[str]] = {}
    for binary in broken:
        owner, unit = contents.entries[binary.path].owner, _unit_of(binary.path)
        for fault in binary.faults:
            severity = Severity.WARNING if fault.id == UNCERTAIN else severities[binary.path]
            groups.setdefault((owner, unit, fault, severity), []).append(binary.path)
    for (_, _, fault, severity), paths in groups.items():
        yield _describe(fault, severity, paths, contents)


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
    broken = [binary for binary in judged if binary.faults and not _is_spare(binary, keys, loader)]
    modules = _one_for_each_module([binary for binary in broken if binary.name], loader)
    units = frozenset(map(_unit_of, sound)) - {""}
    modules = [binary for binary in modules if not _is_of_another_system(binary, units, loader)]
    units |= frozenset(_unit_of(binary.path) for binary in modules) - {""}
    others = [binary for binary in broken if not binary.name and not _is_redundant(binary, units, modules)]
    return tuple(sorted((*modules, *others), key=lambda binary: binary.path))


def _judge(path: str, loader: Loader) -> BrokenBinary:
    name = read_extension_name(path)
    return BrokenBinary(path=path, name=name, faults=faults_of(path, name, loader))


def _may_be_loaded(path: str, facts: BinaryFacts, loader: Loader) -> bool:
    if facts.defect and not _would_be_loaded(path, facts, loader):
        return False
    # Programs for Windows are launchers that installers include; they aren't started on Linux.
    windows_program = facts.format is Format.PE and facts.kind is BinaryKind.PROGRAM
    foreign = facts.format is Format.ELF and _HOSTS.isdisjoint(facts.machines)
    sample = not _UNUSED.isdisjoint(path.split("/")[:-1])
    return facts.kind is not BinaryKind.OBJECT and not (windows_program or foreign or sample)


def _would_be_loaded(path: str, facts: BinaryFacts, loader: Loader) -> bool:
    """Return whether a defective file is meant to be loaded, by its name and by what it is instead."""
    name = read_extension_name(path)
    if name is not None and not name.is_searched_by(loader.target):
        return False
    if facts.defect in (Defect.DAMAGED, Defect.LFS_POINTER):
        return is_named_as_library(path) or facts.kind is BinaryKind.PROGRAM
    # A library without a tag may be anything: a link to another, in a checkout on Windows, or a substitute.
    return name is not None and not (name.tag == "" and path.rpartition("/")[2].startswith("lib"))


def _is_spare(binary: BrokenBinary, sound: frozenset[str], loader: Loader) -> bool:
    """Return whether something else is loaded instead: a variant for this target, or a module's source."""
    if not binary.is_certain:
        return False
    name = binary.name
    if _variant_key(binary.path) in sound or name is None or name.is_searched_by(loader.target):
        return _variant_key(binary.path) in sound
    # Python uses the source if it doesn't search the name of the compiled module.
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
    return foreign and not sought and _unit_of(binary.path) in units


def _is_redundant(binary: BrokenBinary, units: frozenset[str], modules: list[BrokenBinary]) -> bool:
    """Return whether it is for other targets, while one for this target is there or is reported as missing already."""
    fault = binary.faults[0]
    is_for_others = fault.id == OTHER_MACHINE or (fault.id == NOT_FOUND and fault.library is None)
    # In these folders, repaired wheels have the libraries of their modules.
    beside = binary.path.partition("/")[0].endswith(".libs") and bool(modules)
    return is_for_others and (beside or _unit_of(binary.path) in units)


def _severities(broken: Iterable[BrokenBinary], loader: Loader, contents: PackageContents) -> Mapping[str, Severity]:
    """Return an error for binaries that seem to be imported, and for those that they need; else a warning."""
    optional = {binary.path for binary in broken if binary.name and _is_optional(binary.name.module, contents)}
    imported = [
        path
        for path, facts in loader.binaries.items()
        if path not in optional and _may_be_imported(path, facts, loader)
    ]
    certain = {*imported, *loader.needed_by(imported)}
    return {binary.path: Severity.ERROR if binary.path in certain else Severity.WARNING for binary in broken}


def _may_be_imported(path: str, facts: BinaryFacts, loader: Loader) -> bool:
    name = read_extension_name(path)
    if name is None or not _may_be_loaded(path, facts, loader):
        return False
    # Code chooses a file that names its platform.
    chosen = not name.tag and _names_platform(path) and name.module.rpartition("/")[2] not in facts.modules
    return not chosen


def _unit_of(path: str) -> str:
    """Return the package that a binary is part of, "" for one in a folder without a package."""
    top, slash, _ = path.partition("/")
    return top.removesuffix(".libs") if slash and top not in ("bin", "lib") else ""


def _describe(fault: Fault, severity: Severity, paths: list[str], contents: PackageContents) -> Finding:
    owner = contents.entries[paths[0]].owner
    place = contents.place(paths[0])
    whose = "" if owner in OWN else f" of {owner}"
    others = f", like {len(paths) - 1} more," if len(paths) > 1 else ""
    message = f"{place}{whose}{others} {fault.text}. {_advise(fault, owner, place, contents)}"
    return Finding(id=fault.id, severity=severity, message=message, path=place, subject=fault.library)


def _advise(fault: Fault, owner: str, place: str, contents: PackageContents) -> str:
    target = contents.target
    if fault.fix:
        return fault.fix
    if fault.library:
        return (
            f"Put the library, built for {target}, into vendor/lib/, where the loader looks; link it statically; or "
            "require a distribution whose wheel brings it along."
        )
    if owner in OWN:
        instead = " (as psycopg2-binary has)" if "psycopg2" in place else ""
        return (
            f"Require the distribution in requirements.txt, if it has a wheel for {target}{instead}, or put a build for it "
            "in its place."
        )
    return f"Take a version that has a manylinux wheel for {target}, or put one that was built for it into vendor/."


def _is_optional(module: str, contents: PackageContents) -> bool:
    """Return whether code is prepared for the failure of every import of a module, given by its path without a suffix.

    Such imports are in a function, under a condition, or with an `except ImportError`, as for optional accelerators. The
    modules of distributions aren't read; a module without a visible import may be imported by other means.
    """
    statements = list(_imports_of(module, contents))
    return bool(statements) and not any(
        statement.certain and not statement.guarded and not statement.if_missing and not statement.if_found
        for statement in statements
    )


def _imports_of(module: str, contents: PackageContents) -> Iterator[ImportStatement]:
    dotted = module.replace("/", ".")
    package, inside, _ = module.partition("/")
    for path, entry in contents.entries.items():
        near = path.startswith(f"{package}/") if inside else True
        if near and path.endswith(".py") and entry.owner in OWN:
            for statement in contents.imports.facts(path).imports:
                if any(_may_be(dotted, target) for target in _targets_of(statement, path)):
                    yield statement


def _may_be(module: str, target: str) -> bool:
    # A package may add the folder of its vendored code to sys.path, and import `a.vendor.b.c` as `b.c`.
    return module == target or ("." in target and module.endswith(f".{target}"))


def _targets_of(statement: ImportStatement, path: str) -> set[str]:
    """Return the modules that a statement may import: the module that it names, and each name as its submodule."""
    parts = path.split("/")[:-1]
    base = parts[: len(parts) - statement.level + 1] if statement.level else []
    full = ".".join((*base, *([statement.module] if statement.module else [])))
    return {full, *(f"{full}.{name}" if full else name for name in statement.names)}


def _names_platform(path: str) -> bool:
    """Return whether a path says for which system or machine the file is, as in `linux-x86_64/libfoo.so`."""
    return _PLATFORM.search(path) is not None


def _variant_key(path: str) -> str:
    """Return the common part of the paths of variants, such as `pkg/bin/*/tool` for `pkg/bin/darwin/tool`."""
    return "/".join(_VARIANT.sub("", part).removeprefix("lib") or "*" for part in path.split("/"))
