"""Why Lambda can't load a binary, as a value. Pure."""

from __future__ import annotations

from typing import NamedTuple

from cdk_lambda_package.binary_facts import BinaryFacts, Defect
from cdk_lambda_package.checks.extension_names import ExtensionName, list_suffixes
from cdk_lambda_package.checks.loader import Loader, Outcome
from cdk_lambda_package.system_libraries import LIBRARY_OF_FAMILY, Version, read_python_version, symbol_versions
from cdk_lambda_package.target import Target

OTHER_MACHINE, OTHER_PYTHON = "binary-for-other-machine", "binary-for-other-python"
NEWER_SYSTEM = "binary-needs-newer-system"
BROKEN = "binary-broken"

_DEFECTS = {
    Defect.DAMAGED: "is cut off or damaged",
    Defect.EMPTY: "is empty",
    Defect.LFS_POINTER: "is a pointer of Git LFS, and not the binary itself",
    Defect.TEXT: "is text, and not a binary",
    Defect.UNKNOWN: "isn't a binary that Linux knows",
}


class Fault(NamedTuple):
    """`id` of the finding, and what is wrong in words that follow the file's name, such as "needs glibc 2.38, …".

    `library` is the shared library that would be enough; without one, another build of the binary is needed. `fix` says
    what else to do.
    """

    id: str
    text: str
    library: str | None = None
    fix: str | None = None


def find_loading_fault(
    path: str, facts: BinaryFacts, name: ExtensionName | None, loader: Loader, target: Target
) -> Fault | None:
    """Return why a binary can't be loaded, before any library that it needs is looked for."""
    if facts.defect:
        return Fault(BROKEN, _DEFECTS[facts.defect], fix=_advise(facts.defect))
    if not facts.runs_on(target.architecture.machine):
        machine = target.architecture.value
        return Fault(OTHER_MACHINE, f"is {facts.description}, and {target} loads 64-bit Linux {machine} binaries only")
    origin = _find_other_python(path, facts, name, loader, target)
    if origin:
        return Fault(OTHER_PYTHON, f"is for {origin}; {target} loads names that end in {_list_suffixes(target)}")
    return _find_newer_versions(path, facts, loader, target)


def _advise(defect: Defect) -> str:
    if defect is Defect.LFS_POINTER:
        return "Run `git lfs pull` before packaging; in CI, have the checkout fetch what LFS has."
    return "Build or copy it again, or require its distribution in requirements.txt."


def _find_other_python(
    path: str, facts: BinaryFacts, name: ExtensionName | None, loader: Loader, target: Target
) -> str | None:
    if name and not name.is_sought_by(target):
        return name.origin
    if facts.python2 and not facts.modules:
        return "Python 2"
    for library in facts.libraries:
        version = read_python_version(library)
        if version not in (None, target.runtime.version) and loader.find(path, library).outcome is Outcome.MISSING:
            return f"Python {version[0]}.{version[1]}, whose {library} it needs"
    return None


def _list_suffixes(target: Target) -> str:
    *others, last = list_suffixes(target)
    return f"{', '.join(others)} or {last}"


def _find_newer_versions(path: str, facts: BinaryFacts, loader: Loader, target: Target) -> Fault | None:
    system = target.runtime.system
    known = symbol_versions(system)
    newer = {
        family: version
        for family, version in facts.versions.items()
        if version > known[family] and not loader.replaces_system(path, LIBRARY_OF_FAMILY[family])
    }
    if not newer:
        return None
    needed = " and ".join(_name_version(family, version) for family, version in newer.items())
    present = " and ".join(_name_version(family, known[family]) for family in newer)
    return Fault(NEWER_SYSTEM, f"needs {needed}, and {target} has {present} ({system.name})")


def _name_version(family: str, version: Version) -> str:
    """Return a symbol version as the loader's message has it; glibc's are its releases, and everybody says so."""
    text = ".".join(map(str, version))
    return f"glibc {text}" if family == "GLIBC" else f"{family}_{text}"
