"""Why Lambda can't load a binary, as a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cdk_lambda_package.binaries.facts import BinaryFacts, Defect, python_of_library
from cdk_lambda_package.checks.extension_names import ExtensionName, list_suffixes
from cdk_lambda_package.checks.loader import Loader, Outcome
from cdk_lambda_package.target import LIBRARY_OF_FAMILY, SymbolVersion, Target

OTHER_MACHINE, OTHER_PYTHON = "binary-for-other-machine", "binary-for-other-python"
NEWER_SYSTEM = "binary-needs-newer-system"
BROKEN = "binary-broken"
UNCERTAIN = "library-uncertain"

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
    newer = _find_newer_versions(path, facts, loader, target.runtime.system.updated_symbol_versions)
    if not newer:
        return None
    present = _name_versions({family: target.runtime.system.symbol_versions[family] for family in newer})
    system = target.runtime.system.name
    return Fault(NEWER_SYSTEM, f"needs {_name_versions(newer)}, and {target} has {present} ({system})")


def find_uncertain_versions(path: str, facts: BinaryFacts, loader: Loader, target: Target) -> Fault | None:
    """Return what a binary needs that the target's system has, but not wherever it runs."""
    system = target.runtime.system
    newer = _find_newer_versions(path, facts, loader, system.symbol_versions)
    if not newer:
        return None
    names = " and ".join(dict.fromkeys(LIBRARY_OF_FAMILY[family] for family in newer))
    text = f"needs {_name_versions(newer)}, which {names} of {system.name} may not have as Lambda runs it"
    return Fault(UNCERTAIN, text)


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
        version = python_of_library(library)
        if version not in (None, target.runtime.version) and loader.find(path, library).outcome is Outcome.MISSING:
            return f"Python {version[0]}.{version[1]}, whose {library} it needs"
    return None


def _list_suffixes(target: Target) -> str:
    *others, last = list_suffixes(target)
    return f"{', '.join(others)} or {last}"


def _find_newer_versions(
    path: str, facts: BinaryFacts, loader: Loader, known: Mapping[str, SymbolVersion]
) -> Mapping[str, SymbolVersion]:
    return {
        family: version
        for family, version in facts.versions.items()
        if version > known[family] and not loader.replaces_system(path, LIBRARY_OF_FAMILY[family])
    }


def _name_versions(versions: Mapping[str, SymbolVersion]) -> str:
    return " and ".join(_name_version(family, version) for family, version in versions.items())


def _name_version(family: str, version: SymbolVersion) -> str:
    """Return a symbol version as the loader's message has it; glibc's are its releases, and everybody says so."""
    text = ".".join(map(str, version))
    return f"glibc {text}" if family == "GLIBC" else f"{family}_{text}"
