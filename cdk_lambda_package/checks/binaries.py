"""Do the binaries load on the target?

No wheel tag vouches for the user's own, for those of wheels that were built here, and for those of `linux_*` wheels, which
were built for some Linux machine, with any glibc (PEP 513). A manylinux tag vouches for all but the libraries of a desktop,
which its policy takes for granted and Lambda doesn't have
(https://github.com/pypa/auditwheel/blob/main/src/auditwheel/policy/manylinux-policy.json).

The import graph decides how bad a fault is: an error in an extension module that is certainly loaded, and in the libraries that
it needs; a warning in one that is loaded under a condition or in a function; a note in one that no import leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cdk_lambda_package.binaries import BinaryKind
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handlers import module_of
from cdk_lambda_package.loading import Fault, Loader, broken_binaries, module_stem, unit_of
from cdk_lambda_package.splicing import OWN, VENDOR
from cdk_lambda_package.store import remembered

# The builds for servers, as the description of opencv-python on PyPI names them.
_WITHOUT_DISPLAY = {
    "opencv-python": "opencv-python-headless",
    "opencv-contrib-python": "opencv-contrib-python-headless",
}
# How many warnings about libraries a distribution may have on its own, and how many libraries one warning names.
_MOST_WARNINGS, _MOST_SHOWN = 3, 6
# The longest chain of imports that a message shows in full.
_LONGEST_CHAIN = 6
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each kind of fault, with the binaries of one package that share it."""
    if not contents.binaries:
        return
    unloadable = contents.surroundings.known(_Unloadable, lambda: _find_unloadable(contents))
    if not unloadable.faulty:
        return
    loads = _find_loads(unloadable, contents)
    vouched, others = list[_Faulty](), list[_Faulty]()
    for binary in unloadable.faulty:
        (vouched if _is_vouched(binary.path, contents) else others).append(binary)
    yield from _check_vouched(vouched, loads, contents)
    groups: dict[tuple[str, str, Fault, Severity], list[str]] = {}
    for binary in others:
        owner, unit = contents.entries[binary.path].owner, unit_of(binary.path)
        for fault in binary.faults:
            groups.setdefault((owner, unit, fault, _judge(binary, fault, loads, contents)), []).append(binary.path)
    for (_, _, fault, severity), paths in groups.items():
        yield _describe(fault, severity, paths, loads, contents)


class _Faulty(NamedTuple):
    """A binary with the faults that count for its owner; `is_module` tells that it is an extension module for any Python."""

    path: str
    faults: tuple[Fault, ...]
    is_module: bool
    is_program: bool


@remembered("unloadable", version=3)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Unloadable:
    """The binaries of a package that can't be loaded, or may not.

    `loaded` are the binaries that are loaded with a file, itself too, by its path: for those that lead to faulty ones.
    """

    faulty: tuple[_Faulty, ...]
    loaded: dict[str, tuple[str, ...]]


def _find_unloadable(contents: PackageContents) -> _Unloadable:
    loader = Loader(
        contents.target,
        contents.entries,
        contents.binaries,
        layer_files=[path for layer in contents.layers for path in layer.files],
        unknown_layers=[layer.name for layer in contents.layers if not layer.known],
        place_of=contents.place_on_lambda,
    )
    found = []
    for binary in broken_binaries(loader):
        faults, facts = binary.faults, loader.binaries[binary.path]
        if _is_vouched(binary.path, contents):
            faults = tuple(one for one in faults if one.library and loader.is_absent(one.library))
        if faults:
            is_program = facts.kind is BinaryKind.PROGRAM
            found.append(_Faulty(binary.path, faults, loader.is_module(binary.path), is_program))
    loaded = {path: loader.needed_by([path]) | {path} for path in loader.binaries} if found else {}
    concerned = {one.path for one in found}
    # Those that load them, and those that load these: what is certainly loaded may be so by another.
    for _ in range(2):
        concerned |= {path for path, others in loaded.items() if not concerned.isdisjoint(others)}
    return _Unloadable(faulty=tuple(found), loaded={path: tuple(sorted(loaded[path])) for path in sorted(concerned)})


def _is_vouched(path: str, contents: PackageContents) -> bool:
    return contents.entries[path].owner in contents.vouched


class _Loads(NamedTuple):
    """The binaries that imports lead to, of those that can't be loaded: the extension modules, and the libraries that they need.

    `by_module` are the binaries that are loaded with each extension module that may be loaded, by its file. `exposed` are the
    binaries that are certainly loaded, where nothing catches their failure. `known` is False if the package has no module
    that is certainly imported, as a layer.
    """

    by_module: Mapping[str, tuple[str, ...]]
    exposed: frozenset[str]
    known: bool

    def modules_with(self, path: str) -> list[str]:
        """Return the extension modules that a binary is loaded with, itself if it is one; those without a guard first."""
        found = [module for module, loaded in self.by_module.items() if path in loaded]
        return sorted(found, key=lambda module: (module not in self.exposed, module))


def _find_loads(unloadable: _Unloadable, contents: PackageContents) -> _Loads:
    reach = contents.reach
    compiled = {found.path for handler in contents.handlers_outside
                if (found := contents.imports.finder.find(module_of(handler))) and found.path in contents.binaries}  # fmt: skip
    # By their names without suffix: of the files of one module, another one may have the fault.
    exposed = {module_stem(path) for path in (*reach.exposed_loads, *filter(None, compiled))}
    reached = {module_stem(path) for path in reach.loads} | exposed
    modules = {path: module_stem(path) for path in unloadable.loaded}
    by_module = {path: unloadable.loaded[path] for path, stem in modules.items() if stem in reached}
    certain = (loaded for path, loaded in by_module.items() if modules[path] in exposed)
    return _Loads(by_module, frozenset[str]().union(*certain), any(contents.started) or bool(compiled))


def _judge(binary: _Faulty, fault: Fault, loads: _Loads, contents: PackageContents) -> Severity:
    """Return how bad a fault of a binary is, by what leads to it."""
    path, vouched = binary.path, _is_vouched(binary.path, contents)
    if path in loads.exposed:
        return Severity.ERROR if fault.is_certain else Severity.WARNING
    if not loads.known and binary.is_module and not vouched:
        # A layer: any function may import it.
        return Severity.ERROR if fault.is_certain else Severity.WARNING
    if not loads.known or binary.is_program or loads.modules_with(path):
        return Severity.WARNING
    # No import leads to a library that code opens by its name. The user's own is there for a purpose.
    return Severity.NOTE if vouched or binary.is_module else Severity.WARNING


def _check_vouched(faulty: Iterable[_Faulty], loads: _Loads, contents: PackageContents) -> Iterator[Finding]:
    """Yield a finding for each library that a distribution needs and Lambda lacks, with the files that need it.

    Warnings about many libraries of one distribution, such as all that a desktop's toolkit may use, are one finding.
    """
    needs: dict[tuple[str, Fault], dict[str, Severity]] = {}
    for binary in faulty:
        for fault in binary.faults:
            severity = _judge(binary, fault, loads, contents)
            needs.setdefault((contents.entries[binary.path].owner, fault), {})[binary.path] = severity
    doubtful: dict[tuple[str, Severity], list[_Need]] = {}
    for (owner, fault), severities in needs.items():
        # Named first is a file that a module loads, before plug-ins that code may look for.
        need = _Need(fault, sorted(severities, key=lambda path: _ORDER.index(severities[path])))
        severity = severities[need.paths[0]]
        if severity is Severity.ERROR:
            yield _describe(fault, severity, need.paths, loads, contents)
        else:
            doubtful.setdefault((owner, severity), []).append(need)
    for (owner, severity), found in doubtful.items():
        if len(found) > _MOST_WARNINGS:
            yield _describe_many(owner, severity, found, contents)
        else:
            yield from (_describe(need.fault, severity, need.paths, loads, contents) for need in found)


class _Need(NamedTuple):
    """A library that Lambda lacks, and the files of one distribution that need it."""

    fault: Fault
    paths: list[str]


def _describe_many(owner: str, severity: Severity, needs: list[_Need], contents: PackageContents) -> Finding:
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
        severity=severity,
        message=message,
        path=contents.place(needs[0].paths[0]),
        subject=owner.partition("==")[0],
    )


def _describe(fault: Fault, severity: Severity, paths: list[str], loads: _Loads, contents: PackageContents) -> Finding:
    owner = contents.entries[paths[0]].owner
    place = contents.place(paths[0])
    whose = "" if owner in OWN else f" of {owner}"
    others = f", like {len(paths) - 1} more," if len(paths) > 1 else ""
    reach, advice = _describe_reach(paths[0], severity, loads, contents), _advise(fault, owner, place, contents)
    message = f"{place}{whose}{others} {fault.text}. {reach}{advice}"
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


def _describe_reach(path: str, severity: Severity, loads: _Loads, contents: PackageContents) -> str:
    """Return a sentence on the imports that lead to a binary, with a space at the end; "" if the app itself certainly imports it."""
    if severity is Severity.NOTE:
        return "No import leads to it. "
    modules = loads.modules_with(path)
    links = contents.graph.chain_to(modules[0]) if modules else ()
    certain = bool(modules) and modules[0] in loads.exposed
    if not links or (certain and len(links) == 1):
        return ""
    places = [f"{contents.place(link.path)}:{link.line}" for link in links]
    if len(places) > _LONGEST_CHAIN:
        places = [*places[:3], "…", *places[-2:]]
    how = "" if certain else ", in a function or under a condition"
    return f"It is loaded by {' → '.join([*places, contents.place(modules[0])])}{how}. "
