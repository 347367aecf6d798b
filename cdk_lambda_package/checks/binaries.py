"""Do the binaries load on the target?

No wheel tag vouches for the user's own, for those of wheels that were built here, and for those of `linux_*` wheels, which
were built for some Linux machine, with any glibc (PEP 513). A certain failure is an error: an extension module that can't be
imported, and a library that it needs. Anything else, such as a program that may never be started, is a warning.

A manylinux tag vouches for all but the libraries of a desktop, which its policy takes for granted and Lambda doesn't have
(https://github.com/pypa/auditwheel/blob/main/src/auditwheel/policy/manylinux-policy.json). A distribution may work without
the modules that need them: it is an error only if all of its modules do, or if the app's own imports lead to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.import_analysis import ImportStatement, Runs, absolute_name
from cdk_lambda_package.loading import (
    BrokenBinary,
    Fault,
    Loader,
    broken_binaries,
    may_be_imported,
    module_of,
    unit_of,
)
from cdk_lambda_package.splicing import OWN, VENDOR

# The builds for servers, as the description of opencv-python on PyPI names them.
_WITHOUT_DISPLAY = {
    "opencv-python": "opencv-python-headless",
    "opencv-contrib-python": "opencv-contrib-python-headless",
}
# How many warnings about libraries a distribution may have on its own, and how many libraries one warning names.
_MOST_WARNINGS, _MOST_SHOWN = 3, 6


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each kind of fault, with the binaries of one package that share it."""
    loader = Loader(
        contents.target,
        contents.entries,
        contents.binaries,
        layer_files=[path for layer in contents.layers for path in layer.files],
        unknown_layers=[layer.name for layer in contents.layers if not layer.known],
    )
    broken = broken_binaries(loader)
    yield from _check_vouched([binary for binary in broken if _is_vouched(binary.path, contents)], loader, contents)
    broken = tuple(binary for binary in broken if not _is_vouched(binary.path, contents))
    if not broken:
        return
    severities = _severities(broken, loader, contents)
    groups: dict[tuple[str, str, Fault, Severity], list[str]] = {}
    for binary in broken:
        owner, unit = contents.entries[binary.path].owner, unit_of(binary.path)
        for fault in binary.faults:
            severity = severities[binary.path] if fault.is_certain else Severity.WARNING
            groups.setdefault((owner, unit, fault, severity), []).append(binary.path)
    for (_, _, fault, severity), paths in groups.items():
        yield _describe(fault, severity, paths, contents)


def _is_vouched(path: str, contents: PackageContents) -> bool:
    return contents.entries[path].owner in contents.vouched


def _check_vouched(broken: Iterable[BrokenBinary], loader: Loader, contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each library that a distribution needs and Lambda lacks, with the files that need it.

    Warnings about many libraries of one distribution, such as all that a desktop's toolkit may use, are one finding.
    """
    needs: dict[tuple[str, Fault], list[str]] = {}
    for binary in broken:
        for fault in binary.faults:
            if fault.library and loader.is_absent(fault.library):
                needs.setdefault((contents.entries[binary.path].owner, fault), []).append(binary.path)
    if not needs:
        return
    modules = _modules_by_owner(loader, contents)
    reached = _reached_modules(contents)
    doubtful: dict[str, list[_Need]] = {}
    for (owner, fault), paths in needs.items():
        # Named first is a file that a module loads, before plug-ins that code may look for. The module may be another
        # distribution's: the libraries of PyQt5 are in pyqt5-qt5.
        loaded = frozenset[str]().union(*(files for own in modules.values() for files in own.values()))
        need = _Need(fault, sorted(paths, key=lambda path: path not in loaded))
        if fault.is_certain and any(_is_certain(need, own, reached, loader) for own in modules.values()):
            yield _describe(fault, Severity.ERROR, need.paths, contents)
        else:
            doubtful.setdefault(owner, []).append(need)
    for owner, found in doubtful.items():
        if len(found) > _MOST_WARNINGS:
            yield _describe_many(owner, found, contents)
        else:
            yield from (_describe(need.fault, Severity.WARNING, need.paths, contents) for need in found)


class _Need(NamedTuple):
    """A library that Lambda lacks, and the files of one distribution that need it."""

    fault: Fault
    paths: list[str]


def _is_certain(need: _Need, modules: Mapping[str, frozenset[str]], reached: frozenset[str], loader: Loader) -> bool:
    """Return whether all modules of a distribution fail without the library, or one that the user's code imports."""
    failing = {path for path, loaded in modules.items() if not loaded.isdisjoint(need.paths)}
    return bool(failing) and (failing == modules.keys() or any(_is_reached(path, reached, loader) for path in failing))


def _describe_many(owner: str, needs: list[_Need], contents: PackageContents) -> Finding:
    shown = [f"{need.fault.library} (for {need.paths[0]})" for need in needs[:_MOST_SHOWN]]
    more = f" and {len(needs) - _MOST_SHOWN} more" if len(needs) > _MOST_SHOWN else ""
    system = contents.target.runtime.system.name
    places = f"the package, its layers and {system} don't" if contents.layers else f"the package and {system} don't"
    unknown = [layer.name for layer in contents.layers if not layer.known]
    doubt = f" ({' and '.join(unknown)} can't be inspected)" if unknown else ""
    message = (
        f"Binaries of {owner} need {len(needs)} libraries that {places} have{doubt}: {', '.join(shown)}{more}. What uses them "
        "can't be loaded on Lambda. If your function needs that, put the libraries into vendor/lib/, or require another "
        "distribution."
    )
    return Finding(
        id=needs[0].fault.id,
        severity=Severity.WARNING,
        message=message,
        path=contents.place(needs[0].paths[0]),
        subject=owner.partition("==")[0],
    )


def _modules_by_owner(loader: Loader, contents: PackageContents) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Return the files of extension modules by their owners, each with the files that are loaded with it, and itself."""
    modules: dict[str, dict[str, frozenset[str]]] = {}
    for path in loader.binaries:
        if _is_vouched(path, contents) and module_of(path, loader):
            modules.setdefault(contents.entries[path].owner, {})[path] = loader.needed_by([path]) | {path}
    return modules


def _reached_modules(contents: PackageContents) -> frozenset[str]:
    """Return the modules that the user's own code certainly imports when the handler's module is imported."""
    graph = contents.graph
    return frozenset(
        module
        for path in graph.exposed
        for step in graph.steps.get(path, ())
        if step.runs is Runs.ALWAYS and not step.statement.guarded
        for module in _targets_of(step.statement, path)
    )


def _is_reached(path: str, reached: frozenset[str], loader: Loader) -> bool:
    return (module_of(path, loader) or "").replace("/", ".") in reached


def _severities(broken: Iterable[BrokenBinary], loader: Loader, contents: PackageContents) -> Mapping[str, Severity]:
    """Return an error for binaries that seem to be imported, and for those that they need; else a warning."""
    optional = {binary.path for binary in broken if binary.name and _is_optional(binary.name.module, contents)}
    imported = [
        path
        for path in loader.binaries
        if path not in optional and not _is_vouched(path, contents) and may_be_imported(path, loader)
    ]
    certain = {*imported, *loader.needed_by(imported)}
    return {binary.path: Severity.ERROR if binary.path in certain else Severity.WARNING for binary in broken}


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
    distribution = "opencv-python" if owner in OWN and place.startswith(f"{VENDOR}/cv2/") else owner.partition("==")[0]
    if fault.library and (instead := _WITHOUT_DISPLAY.get(distribution)):
        return f"Require {instead} instead: it has the same modules, and needs no display."
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
    if distribution.endswith("psycopg2"):
        return "Require psycopg2-binary instead: it has the same module, and a manylinux wheel for each Python."
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
    module = absolute_name(path, statement)
    if module is None:
        return set()
    return {module, *(f"{module}.{name}" if module else name for name in statement.names)}
