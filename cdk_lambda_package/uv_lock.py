"""What uv.lock says besides what `uv export` does: the edges, and the requirements that it was written for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cdk_lambda_package.resolution import TOOL
from cdk_lambda_package.target import Target

_Table = Mapping[str, Any]


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


def find_changes(project: _Table, uv_lock: _Table, target: Target) -> list[str]:
    """Say how the requirements of a pyproject.toml, as far as they matter for a target, differ from the lock's."""
    name = canonicalize_name(project.get("name", ""))
    package = next((one for one in uv_lock.get("package", ()) if one["name"] == name), None)
    if package is None:
        return [f"pyproject.toml is of the project {name!r}, which it doesn't have"]
    then = {
        _read(row)
        for row in package.get("metadata", {}).get("requires-dist", ())
        if _applies(row.get("marker"), target)
    }
    requirements = map(Requirement, project.get("dependencies", ()))
    now = {_identify(one) for one in requirements if target.accepts_marker(one.marker)}
    gone = sorted(one[0] for one in then - now if one[0] not in {other[0] for other in now})
    changed = sorted({one[0] for one in now ^ then} - set(gone))
    return [f"pyproject.toml no longer asks for {one}" for one in gone] + [
        f"pyproject.toml asks for {one} in another way than when it was written" for one in changed
    ]


def _identify(one: Requirement) -> tuple[str, tuple[str, ...], str]:
    extras = tuple(sorted(map(canonicalize_name, one.extras)))
    return canonicalize_name(one.name), extras, "" if one.url else _sorted(one.specifier)


def _read(row: _Table) -> tuple[str, tuple[str, ...], str]:
    return row["name"], tuple(sorted(row.get("extras", ()))), _sorted(SpecifierSet(row.get("specifier", "")))


def _sorted(specifier: SpecifierSet) -> str:
    return ",".join(sorted(str(one).replace(" ", "") for one in specifier))


def _applies(marker: str | None, target: Target) -> bool:
    """Tell whether a row is one of `project.dependencies`: those of extras have a marker on `extra`."""
    return marker is None or target.accepts_marker(Marker(marker))
