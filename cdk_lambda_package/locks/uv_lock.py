"""Facts in uv.lock that `uv export` doesn't export: the edges, and the requirements that it was written for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cdk_lambda_package.requirements import TOOL
from cdk_lambda_package.target import Target

_Table = Mapping[str, Any]
# A requirement by its name, extras and specifier; what else it says isn't compared.
_Identity = tuple[str, tuple[str, ...], str]
_Pair = tuple[Iterable[str], set[_Identity]]


def with_edges(exported: dict[str, Any], uv_lock: _Table, direct: Iterable[str], target: Target) -> dict[str, Any]:
    """Return the exported lock with who needs what, as uv.lock has it, and with what the project itself requires."""
    needs: dict[str, set[str]] = {}
    for package in uv_lock.get("package", ()):
        needs.setdefault(package["name"], set()).update(_needs(package, target))
    packages = [_with_needs(row, needs.get(row["name"], ())) for row in exported.get("packages", ())]
    rows = [{"name": name} for name in sorted(set(direct))]
    return {**exported, "packages": packages, "tool": {TOOL: {"requirements": rows}}}


def _with_needs(row: _Table, needs: Iterable[str]) -> dict[str, Any]:
    names = [{"name": name} for name in sorted(needs)]
    return {**row, "dependencies": names} if names else dict(row)


def _needs(package: _Table, target: Target) -> Iterator[str]:
    optional = package.get("optional-dependencies", {}).values()
    for rows in (package.get("dependencies", ()), *optional):
        for row in rows:
            if "marker" not in row or target.accepts_marker(Marker(row["marker"])):
                yield row["name"]


def find_overridden(uv_lock: _Table) -> frozenset[str]:
    """Return the names for which the lock's project says itself what is required, or what they require."""
    manifest = uv_lock.get("manifest", {})
    rows = (*manifest.get("overrides", ()), *manifest.get("dependency-metadata", ()))
    return frozenset(canonicalize_name(row["name"]) for row in rows)


def find_changes(
    pyproject: _Table, uv_lock: _Table, target: Target, *, groups: Iterable[str] = (), extras: Iterable[str] = ()
) -> list[str]:
    """Say how the requirements of a pyproject.toml, as far as they matter for a target, differ from the lock's."""
    project = pyproject.get("project", {})
    name = canonicalize_name(project.get("name", ""))
    package = next((one for one in uv_lock.get("package", ()) if one["name"] == name), None)
    if package is None:
        return [f"pyproject.toml is of the project {name!r}, which it doesn't have"]
    pairs = [
        *_pair_dependencies(project, package.get("metadata", {}), target, extras),
        *_pair_groups(pyproject, package.get("metadata", {}), target, groups),
    ]
    return [problem for lines, then in pairs for problem in _compare(lines, then, target)]


def _pair_dependencies(project: _Table, metadata: _Table, target: Target, extras: Iterable[str]) -> Iterator[_Pair]:
    """Yield what a project requires today, and did then; what only its build knows isn't compared."""
    dynamic, rows = project.get("dynamic", ()), metadata.get("requires-dist", ())
    if "dependencies" not in dynamic:
        yield project.get("dependencies", ()), _select(rows, "", target)
    if "optional-dependencies" not in dynamic:
        known = {canonicalize_name(key): lines for key, lines in project.get("optional-dependencies", {}).items()}
        of_extras = [row for row in rows if not _applies(row.get("marker"), target, "")]
        for extra in map(canonicalize_name, extras):
            yield known.get(extra, ()), _select(of_extras, extra, target)


def _pair_groups(pyproject: _Table, metadata: _Table, target: Target, groups: Iterable[str]) -> Iterator[_Pair]:
    then = {canonicalize_name(key): rows for key, rows in metadata.get("requires-dev", {}).items()}
    for group in map(canonicalize_name, groups):
        yield _flatten(pyproject.get("dependency-groups", {}), group), _select(then.get(group, ()), "", target)


def _select(rows: Iterable[_Table], extra: str, target: Target) -> set[_Identity]:
    return {_read(row) for row in rows if _applies(row.get("marker"), target, extra)}


def _flatten(groups: _Table, name: str) -> Iterator[str]:
    """Yield the requirements of a group and of those that it includes (PEP 735)."""
    lines = next((lines for key, lines in groups.items() if canonicalize_name(key) == name), ())
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from _flatten(groups, canonicalize_name(line["include-group"]))


def _compare(lines: Iterable[str], then: set[_Identity], target: Target) -> Iterator[str]:
    requirements = map(Requirement, lines)
    now = {_identify(one) for one in requirements if target.accepts_marker(one.marker)}
    before, today = {one[0] for one in then}, {one[0] for one in now}
    for name in sorted(before - today):
        yield f"pyproject.toml no longer asks for {name}"
    for name in sorted(today - before):
        yield f"pyproject.toml asks for {name}, which it didn't when it was written"
    for name in sorted({one[0] for one in now ^ then} & before & today):
        yield f"pyproject.toml asks for {name} in another way than when it was written"


def _identify(one: Requirement) -> _Identity:
    extras = tuple(sorted(map(canonicalize_name, one.extras)))
    return canonicalize_name(one.name), extras, "" if one.url else _sorted(one.specifier)


def _read(row: _Table) -> _Identity:
    return row["name"], tuple(sorted(row.get("extras", ()))), _sorted(SpecifierSet(row.get("specifier", "")))


def _sorted(specifier: SpecifierSet) -> str:
    return ",".join(sorted(str(one).replace(" ", "") for one in specifier))


def _applies(marker: str | None, target: Target, extra: str) -> bool:
    """Tell whether a row is wanted: those of extras have a marker on `extra`."""
    return marker is None or target.accepts_marker(Marker(marker), extra=extra)
