"""Binaries that nobody vouches for: do they load on the target?

These are the user's own, those of wheels that were built here, and those of `linux_*` wheels, which were built for some
Linux machine, with whatever glibc that has (PEP 513). What is certain to fail is an error: an extension module that
can't be imported, and what it needs. Anything else, such as a program that may never be started, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cdk_lambda_package.binaries.facts import BinaryFacts, Defect, Format, Kind
from cdk_lambda_package.binaries.files import is_named_as_library
from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.checks.extension_names import ExtensionName, read_extension_name
from cdk_lambda_package.checks.faults import OTHER_MACHINE, OTHER_PYTHON, UNCERTAIN, Fault, find_loading_fault
from cdk_lambda_package.checks.importers import is_optional
from cdk_lambda_package.checks.libraries import NOT_FOUND, find_library_faults
from cdk_lambda_package.checks.loader import Loader
from cdk_lambda_package.checks.variants import names_platform, variant_key
from cdk_lambda_package.errors import Finding, Severity

# Folders whose binaries are samples: nothing imports them.
_UNUSED = frozenset({"tests", "test", "testing", "testdata", "fixtures", "examples"})
# Firmware, GPU code and the like are ELF files too, for machines that no host is.
_HOSTS = frozenset({"x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"})


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenBinary:
    """A binary that Lambda can't load, or may not, and every reason; `name` is that of an extension module."""

    path: str
    name: ExtensionName | None
    faults: tuple[Fault, ...]

    @property
    def is_certain(self) -> bool:
        """True if it can't be loaded whatever the system and the layers have."""
        return any(fault.id != UNCERTAIN for fault in self.faults)


def check_binaries(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each kind of fault; the binaries of one package that share it are named together."""
    loader = Loader(contents)
    broken = find_broken_binaries(contents, loader)
    if not broken:
        return
    severities = _find_severities(broken, loader, contents)
    groups: dict[tuple[str, str, Fault, Severity], list[str]] = {}
    for binary in broken:
        owner, unit = contents.entries[binary.path].owner, _find_unit(binary.path)
        for fault in binary.faults:
            severity = Severity.WARNING if fault.id == UNCERTAIN else severities[binary.path]
            groups.setdefault((owner, unit, fault, severity), []).append(binary.path)
    for (_, _, fault, severity), paths in groups.items():
        yield _make_finding(fault, severity, paths, contents)


def find_broken_binaries(contents: PackageContents, loader: Loader) -> tuple[BrokenBinary, ...]:
    """Return the binaries that can't be loaded, without those that have a variant that can."""
    judged = [
        _judge(path, facts, contents, loader)
        for path, facts in sorted(contents.binaries.items())
        if _may_be_loaded(path, facts, contents)
    ]
    sound = [binary.path for binary in judged if not binary.is_certain]
    keys = frozenset(map(variant_key, sound))
    broken = [binary for binary in judged if binary.faults and not _is_spare(binary, keys, contents)]
    modules = _leave_one_for_each_module([binary for binary in broken if binary.name], contents)
    units = frozenset(map(_find_unit, sound)) - {""}
    modules = [binary for binary in modules if not _is_of_another_system(binary, units, contents)]
    units |= frozenset(_find_unit(binary.path) for binary in modules) - {""}
    others = [binary for binary in broken if not binary.name and not _goes_without_saying(binary, units, modules)]
    return tuple(sorted((*modules, *others), key=lambda binary: binary.path))


def _judge(path: str, facts: BinaryFacts, contents: PackageContents, loader: Loader) -> BrokenBinary:
    name = read_extension_name(path)
    fault = find_loading_fault(path, facts, name, loader, contents.target)
    faults = (fault,) if fault else tuple(find_library_faults(path, facts, loader, contents))
    return BrokenBinary(path=path, name=name, faults=faults)


def _may_be_loaded(path: str, facts: BinaryFacts, contents: PackageContents) -> bool:
    if facts.defect and not _would_be_loaded(path, facts, contents):
        return False
    # Programs for Windows are launchers that installers carry along; nobody starts them on Linux.
    windows_program = facts.format is Format.PE and facts.kind is Kind.PROGRAM
    foreign = facts.format is Format.ELF and _HOSTS.isdisjoint(facts.machines)
    sample = not _UNUSED.isdisjoint(path.split("/")[:-1])
    return facts.kind is not Kind.OBJECT and not (windows_program or foreign or sample)


def _would_be_loaded(path: str, facts: BinaryFacts, contents: PackageContents) -> bool:
    """Tell whether what can't be loaded is there to be, by its name and by what it is instead."""
    name = read_extension_name(path)
    if name is not None and not name.is_sought_by(contents.target):
        return False
    if facts.defect in (Defect.DAMAGED, Defect.LFS_POINTER):
        return is_named_as_library(path) or facts.kind is Kind.PROGRAM
    # A library without a tag may be anything: a link to another, as a checkout on Windows has it, or a stand-in.
    return name is not None and not (name.tag == "" and path.rpartition("/")[2].startswith("lib"))


def _is_spare(binary: BrokenBinary, sound: frozenset[str], contents: PackageContents) -> bool:
    """Tell whether something else is loaded in its place: a variant for this target, or a module's source."""
    if not binary.is_certain:
        return False
    name = binary.name
    if variant_key(binary.path) in sound or name is None or name.is_sought_by(contents.target):
        return variant_key(binary.path) in sound
    # Python takes the source where the compiled module has a name that it doesn't look for.
    sources = (f"{name.module}.py", f"{name.module}.pyc", f"{name.module}/__init__.py")
    return any(path in contents.entries for path in sources)


def _leave_one_for_each_module(broken: Iterable[BrokenBinary], contents: PackageContents) -> list[BrokenBinary]:
    """Leave of a module that is there for several Pythons what is looked for, else the nearest."""
    modules: dict[str, list[BrokenBinary]] = {}
    for binary in broken:
        modules.setdefault(binary.name.module if binary.name else binary.path, []).append(binary)
    left: list[BrokenBinary] = []
    for binaries in modules.values():
        sought = [binary for binary in binaries if binary.name and binary.name.is_sought_by(contents.target)]
        nearest = next((binary for binary in binaries if binary.faults[0].id == OTHER_PYTHON), binaries[0])
        left += sought or [nearest]
    return left


def _is_of_another_system(binary: BrokenBinary, units: frozenset[str], contents: PackageContents) -> bool:
    """Tell whether it is a module that only Windows or macOS looks for, in a package with something for Linux."""
    sought = binary.name is not None and binary.name.is_sought_by(contents.target)
    foreign = contents.binaries[binary.path].format is not Format.ELF
    return foreign and not sought and _find_unit(binary.path) in units


def _goes_without_saying(binary: BrokenBinary, units: frozenset[str], modules: list[BrokenBinary]) -> bool:
    """Tell whether it is made for others, where the like for this target is there or the lack of it was told already."""
    fault = binary.faults[0]
    is_for_others = fault.id == OTHER_MACHINE or (fault.id == NOT_FOUND and fault.library is None)
    # Repaired wheels keep in such folders what their modules need.
    beside = binary.path.partition("/")[0].endswith(".libs") and bool(modules)
    return is_for_others and (beside or _find_unit(binary.path) in units)


def _find_severities(
    broken: Iterable[BrokenBinary], loader: Loader, contents: PackageContents
) -> Mapping[str, Severity]:
    """Return an error for what is imported, as far as can be seen, and for what that needs; else a warning."""
    optional = {binary.path for binary in broken if binary.name and is_optional(binary.name.module, contents)}
    imported = [
        path
        for path, facts in contents.binaries.items()
        if path not in optional and _may_be_imported(path, facts, contents)
    ]
    certain = {*imported, *loader.needed_by(imported)}
    return {binary.path: Severity.ERROR if binary.path in certain else Severity.WARNING for binary in broken}


def _may_be_imported(path: str, facts: BinaryFacts, contents: PackageContents) -> bool:
    name = read_extension_name(path)
    if name is None or not _may_be_loaded(path, facts, contents):
        return False
    # One that says for which platform it is, is chosen by code.
    chosen = not name.tag and names_platform(path) and name.module.rpartition("/")[2] not in facts.modules
    return not chosen


def _find_unit(path: str) -> str:
    """Return the package that a binary is part of, "" for one that lies beside others by chance."""
    top, slash, _ = path.partition("/")
    return top.removesuffix(".libs") if slash and top not in ("bin", "lib") else ""


def _make_finding(fault: Fault, severity: Severity, paths: list[str], contents: PackageContents) -> Finding:
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
