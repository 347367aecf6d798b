"""Select from a lock (PEP 751) the wheels for a target. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from packaging.markers import Environment
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
)
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cdk_lambda_package.errors import LockError, NoWheelError, UnsupportedRequirementError
from cdk_lambda_package.requirements.dependencies import find_reachable, trace_dependencies
from cdk_lambda_package.requirements.resolution import TOOL, LockedWheel
from cdk_lambda_package.target import UNKNOWABLE_VARIABLES, Target

Selected = tuple[Package, PackageVcs | PackageDirectory | PackageArchive | PackageSdist | PackageWheel]


def select_wheels(
    pylock: Pylock, target: Target, *, groups: frozenset[str] = frozenset(), extras: frozenset[str] = frozenset()
) -> tuple[LockedWheel, ...]:
    """Return the lock's wheels for the target, with these dependency groups and extras, sorted by name.

    Raises `LockError` where the lock isn't for the target, `NoWheelError` where it has no wheel that the target loads of
    packages, naming them all, `UnsupportedRequirementError` where it
    names sources to be built, and `TargetError` for a marker that can't be evaluated for the target.
    """
    selected = _refuse_sources(select_files(pylock, target, groups=groups, extras=extras), target)
    roots, required_by = _find_edges(pylock, [package for package, _ in selected], target)
    wheels = [
        _describe(package, file, requested=package.name in roots, required_by=required_by.get(package.name, ()))
        for package, file in selected
    ]
    return tuple(sorted(wheels, key=lambda wheel: wheel.name))


def select_files(
    pylock: Pylock, target: Target, *, groups: frozenset[str] = frozenset(), extras: frozenset[str] = frozenset()
) -> list[Selected]:
    """Return the lock's packages for the target, each with what it is to be made of: a wheel if there is one.

    Raises as `select_wheels` does, but for sources to be built.
    """
    _refuse_unknowable(pylock, target)
    environment = cast(Environment, target.environment)
    _refuse_other_environment(pylock, target)
    _refuse_without_file(pylock, target, groups, extras)
    try:
        return list(pylock.select(environment=environment, tags=target.tags, dependency_groups=groups, extras=extras))
    except PylockSelectError as error:
        raise LockError(f"The lock isn't for {target}: {error}.") from error


def _refuse_sources(selected: list[Selected], target: Target) -> list[tuple[Package, PackageWheel | PackageArchive]]:
    sources = [package for package, file in selected if not is_wheel(file) and _find_built(package) is None]
    if sources:
        names = ", ".join(f"{package.name} {package.version or ''}".strip() for package in sources)
        raise UnsupportedRequirementError(
            f"The lock has no wheel for {target} of {names}, only sources. Lock versions that have wheels, or put the "
            "built packages into vendor/."
        )
    return [(package, cast("PackageWheel | PackageArchive", file)) for package, file in selected]


def _refuse_other_environment(pylock: Pylock, target: Target) -> None:
    if pylock.environments and not any(target.accepts_marker(marker) for marker in pylock.environments):
        markers = "; ".join(map(str, pylock.environments))
        raise LockError(f"The lock isn't for {target}, only for environments with {markers}.")


def _refuse_without_file(pylock: Pylock, target: Target, groups: frozenset[str], extras: frozenset[str]) -> None:
    """Name all packages that apply to the target and have neither a wheel that it loads nor anything else."""
    environment: dict[str, str | frozenset[str]] = {**target.environment, "dependency_groups": groups, "extras": extras}
    missing = [
        f"{package.name} {package.version or ''}".strip()
        for package in pylock.packages
        if package.wheels
        and package.sdist is None
        and not any(target.accepts_wheel(wheel.filename) for wheel in package.wheels)
        and (package.marker is None or package.marker.evaluate(environment, context="lock_file"))
    ]
    if missing:
        raise NoWheelError(
            f"The lock has no file for {target} of {', '.join(missing)}. Lock versions that have wheels for it, or write "
            "the lock for this target too."
        )


def _find_built(package: Package) -> Mapping[str, Any] | None:
    """Return what our own resolutions say of a wheel that they built."""
    built: Mapping[str, Any] | None = _ours(package).get("built")
    return built


def _ours(package: Package) -> Mapping[str, Any]:
    ours: Mapping[str, Any] = (package.tool or {}).get(TOOL, {})
    return ours


def _refuse_unknowable(pylock: Pylock, target: Target) -> None:
    for package in pylock.packages:
        if package.marker and any(name in str(package.marker) for name in UNKNOWABLE_VARIABLES):
            # Raises: `packaging` would fill the variable in from this machine.
            target.accepts_marker(package.marker)


def is_wheel(file: object) -> bool:
    """Tell whether an entry of a lock is a wheel, from an index or by its URL."""
    return isinstance(file, PackageWheel | PackageArchive) and _filename(file).endswith(".whl")


def _filename(file: PackageWheel | PackageArchive) -> str:
    if isinstance(file, PackageWheel):
        return file.filename
    return unquote(urlsplit(file.url or file.path or "").path.rsplit("/", 1)[-1])


def _describe(
    package: Package, file: PackageWheel | PackageArchive, *, requested: bool, required_by: tuple[str, ...]
) -> LockedWheel:
    built = _find_built(package)
    if built is not None:
        return LockedWheel(
            name=package.name,
            version=str(package.version),
            filename=built["filename"],
            url=built["url"],
            sha256=built["sha256"],
            direct=package.sdist is None,
            requested=requested,
            required_by=required_by,
            source=built["source"],
            index=package.index or "",
            upload_time=_upload_time(package.sdist),
            build_hosts=tuple(built["hosts"]),
        )
    filename = _filename(file)
    _refuse_another(package, filename)
    sha256 = file.hashes.get("sha256")
    if sha256 is None:
        raise UnsupportedRequirementError(
            f"The lock has no sha256 of {filename}, only {', '.join(file.hashes)}; write it again with sha256 hashes."
        )
    return LockedWheel(
        name=package.name,
        version=str(package.version or parse_wheel_filename(filename)[1]),
        filename=filename,
        url=file.url or file.path or "",
        sha256=sha256.lower(),
        direct=isinstance(file, PackageArchive),
        requested=requested,
        required_by=required_by,
        index=package.index or "",
        upload_time=_upload_time(file),
    )


def _refuse_another(package: Package, filename: str) -> None:
    """Refuse the wheel of another package: of one that a URL leads to, reading the lock hasn't looked at the name."""
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise LockError(f"{package.name} has a file that isn't named as wheels are: {error}.") from error
    if name != package.name or version != (package.version or version):
        raise LockError(f"{package.name} {package.version or ''} has the file {filename}, which is {name} {version}.")


def _upload_time(file: PackageWheel | PackageArchive | PackageSdist | None) -> str:
    """Return when a file was uploaded, in ISO 8601; a time without a zone is UTC (PEP 751)."""
    time = file.upload_time if file is not None else None
    if time is None:
        return ""
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()


def _find_edges(
    pylock: Pylock, packages: list[Package], target: Target
) -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
    """Return the names that the app itself requires, and who requires each of the others."""
    ours = (pylock.tool or {}).get(TOOL)
    if ours is not None and "requirements" in ours and any("requires-dist" in _ours(package) for package in packages):
        return _find_own_edges(ours, packages, target)
    required_by: dict[str, set[str]] = {}
    for package in packages:
        for dependency in package.dependencies or ():
            if "name" in dependency:
                required_by.setdefault(canonicalize_name(dependency["name"]), set()).add(package.name)
    edges = {name: tuple(sorted(parents)) for name, parents in required_by.items()}
    if ours is not None and "requirements" in ours:
        return frozenset(row["name"] for row in ours["requirements"]), edges
    return _find_roots([package.name for package in packages], edges), edges


def _find_own_edges(
    ours: Mapping[str, Any], packages: list[Package], target: Target
) -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
    bare = frozenset(ours.get("bare", ()))
    roots = [(row["name"], row.get("extras", ())) for row in ours["requirements"]]
    dependencies = trace_dependencies(
        [root for root in roots if root[0] not in bare],
        versions={package.name: package.version for package in packages if package.version},
        requires_dist={package.name: _ours(package).get("requires-dist", ()) for package in packages},
        provided=ours.get("provided", ()),
        target=target,
    )
    return frozenset(name for name, _ in roots), dependencies.required_by


def _find_roots(names: Iterable[str], required_by: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Take for required by the app what nothing else requires, and one of each cycle that nothing leads to."""
    names = sorted(names)
    roots = {name for name in names if not required_by.get(name)}
    for name in names:
        if name not in find_reachable(roots, required_by, exclude=()):
            roots.add(name)
    return frozenset(roots)
