"""What a committed lock comes to for a target: nothing is resolved again, and what has no wheel for the target is built.

It is checked that the lock is that of the requirements beside it. Nothing of this is needed for a lock that was read before, which
`locks/committed_lock.py` recognises.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import BytesParser, HeaderParser
from pathlib import Path
from typing import Any

from packaging.pylock import Package, PackageDirectory, PackageSdist, PackageVcs, Pylock
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cdk_lambda_package.archives import ArchiveError, open_archive
from cdk_lambda_package.building import Built, PinnedSource, describe_build, source_inputs
from cdk_lambda_package.errors import (
    BuildError,
    LockError,
    NoWheelError,
    RequirementsError,
    UnsupportedRequirementError,
    WheelError,
)
from cdk_lambda_package.locks import LockFormat, project_name
from cdk_lambda_package.requirements import (
    TOOL,
    Direct,
    LockedWheel,
    LockFile,
    Resolution,
    ResolutionRequest,
    dump_pylock,
    parse_requirement,
    refuse_sources,
    relative_place,
)
from cdk_lambda_package.resolving import Selected, build_pinned, select_files, select_wheels, unbuilt
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import full_urls, local_path, names_folder

# Bytes of a METADATA file that are read; a long description comes after what counts.
_LARGEST_METADATA = 1 << 24


def resolve_lock(lock: LockFormat, store: Store) -> Resolution:
    """Return what a lock comes to for the target of its request; what has no wheel for it is built.

    Raises as `read_lock` does.

    Example:
        `resolve_lock(LockFormat.of(lock, request), store).wheels`
    """
    request, path = lock.request, lock.lock.path
    try:
        pylock, built = lock.read(store)
    except (BuildError, UnsupportedRequirementError) as error:
        raise type(error)(f"{error}{_advice_on_project(error, lock)}") from error
    own = request.lock_command(targets_of(pylock), output=path, requirements=lock.requirements_file)
    renew = lock.renewal(own, pylock.created_by)
    groups, extras = lock.selection(pylock)
    try:
        sources = unbuilt(select_files(pylock, request.target, groups=groups, extras=extras))
        refuse_sources(sources, request)
        if sources:
            pylock, built = _build(pylock, sources, lock, store)
        wheels = select_wheels(pylock, request.target, groups=groups, extras=extras)
    except LockError as error:
        raise type(error)(f"{path}: {error} Renew it by {renew}.") from error
    except (NoWheelError, UnsupportedRequirementError) as error:
        raise type(error)(f"{path}: {error}{_advice_on_project(error, lock)}") from error
    wheels = tuple(_rebase(wheel, lock.lock, request.entry) for wheel in wheels)
    wheels, needs = _with_vendored(request, wheels)
    direct = (*lock.direct(), *needs, *_needs_of_projects(built, pylock, lock))
    if problems := _unsatisfied(direct, wheels, request, pylock) or lock.changes():
        raise LockError(f"{path} is out of date: {'; '.join(problems)}. Renew it by {renew}.")
    provided = {canonicalize_name(name) for name in request.provided}
    return Resolution(
        lock=dump_pylock(pylock),
        wheels=tuple(wheel for wheel in wheels if wheel.name not in provided),
        pinned=True,
        inputs=tuple(one for source, _ in built for one in source_inputs(source, request.entry)),
        findings=tuple(finding for _, wheel in built for finding in wheel.findings),
    )


def _advice_on_project(error: RequirementsError, lock: LockFormat) -> str:
    """Return a further sentence for an error about the project in the entry directory: why it is built, and how to avoid it."""
    own = lock.own_project
    if own is None or not any(name in str(error) for name in (str(own), os.path.realpath(own), project_name(own))):
        return ""
    return (
        f" {own} is built, as {lock.command.split()[0]} would install it, since it has modules that the app's own files don't have. If the "
        f"function needs none of them, {lock.no_project}."
    )


def _with_vendored(
    request: ResolutionRequest, wheels: Sequence[LockedWheel]
) -> tuple[tuple[LockedWheel, ...], tuple[Direct, ...]]:
    """Return the wheels with those of vendor/ among them, sorted by name, and what these and the app itself require."""
    vendored: dict[str, LockedWheel] = {}
    needs: list[Direct] = []
    for line in request.extra:
        name, separator, url = line.partition(" @ ")
        if not separator:
            needs.append(Direct(text=line, place="the app"))
            continue
        url, _, digest = url.partition("#sha256=")
        path = local_path(url)
        vendored[name] = LockedWheel(
            name=canonicalize_name(name),
            version=str(parse_wheel_filename(path.name)[1]),
            filename=path.name,
            url=url,
            sha256=digest,
            direct=True,
            requested=True,
        )
        needs += _read_needs(path)
    kept = [wheel for wheel in wheels if wheel.name not in vendored]
    return tuple(sorted((*kept, *vendored.values()), key=lambda wheel: wheel.name)), tuple(needs)


def _read_needs(path: Path) -> Iterator[Direct]:
    try:
        with open_archive(path) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
            if not names:
                raise ArchiveError("it has no METADATA")
            # A member that is no METADATA may be of any size.
            with wheel.open(names[0]) as stream:
                metadata = BytesParser().parsebytes(stream.read(_LARGEST_METADATA), headersonly=True)
    except (ArchiveError, OSError) as error:
        raise WheelError(f"vendor/{path.name} can't be read: {error}. Fetch or build it again.") from error
    for line in metadata.get_all("Requires-Dist", []):
        yield Direct(text=line, place=f"vendor/{path.name}")


def _build(
    pylock: Pylock, sources: Iterable[Selected], lock: LockFormat, store: Store
) -> tuple[Pylock, tuple[Built, ...]]:
    """Return the lock with what was built of its sources, and these builds. Raises what `build_pinned` does."""
    # By identity: a lock may have a name more than once, for other targets.
    wanted = {id(package): _pin(package, file, lock.lock) for package, file in sources}
    full = full_urls(lock.lock.path)
    built = build_pinned([*wanted.values()], lock.request, store=store, full_urls=full, progress=lock.progress)

    def with_build(package: Package) -> Package:
        if id(package) not in wanted:
            return package
        source, wheel = built[wanted[id(package)]]
        tool = {TOOL: {"built": describe_build(source, wheel)}}
        return dataclasses.replace(package, version=package.version or Version(wheel.version), tool=tool)

    return dataclasses.replace(pylock, packages=[*map(with_build, pylock.packages)]), tuple(built.values())


def _unsatisfied(
    direct: Iterable[Direct], wheels: Sequence[LockedWheel], request: ResolutionRequest, pylock: Pylock
) -> list[str]:
    """Return in words each requirement that the lock doesn't satisfy on the target."""
    known, locked_extras = {wheel.name: wheel for wheel in wheels}, _locked_extras(pylock)
    left_out = {canonicalize_name(name) for name in request.provided}
    problems: dict[str, None] = {}
    for one in direct:
        requirement, name = one.requirement, one.name
        if requirement is None or name in left_out or not request.target.accepts_marker(requirement.marker):
            continue
        wheel, extras = known.get(str(name)), set(map(canonicalize_name, requirement.extras))
        missing = extras - locked_extras.get(str(name), extras)
        asks = f"{one.place} asks for {one.text}"
        if wheel is None:
            problems[f"{asks}, which it doesn't have for {request.target}"] = None
        elif not requirement.specifier.contains(wheel.version, prereleases=True):
            problems[f"{asks}, but it has {wheel.version}"] = None
        elif missing:
            problems[f"{asks}, but it was written without {', '.join(sorted(missing))}"] = None
    return list(problems)


def _locked_extras(pylock: Pylock) -> Mapping[str, set[str]]:
    """Return the extras with which a lock of this library's own was resolved, by name; others don't say."""
    rows = (pylock.tool or {}).get(TOOL, {}).get("requirements", ()) if pylock.created_by == TOOL else ()
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["name"], set()).update(map(canonicalize_name, row.get("extras", ())))
    return found


def _needs_of_projects(built: Iterable[Built], pylock: Pylock, lock: LockFormat) -> Iterator[Direct]:
    """Yield what local projects require on the day, which may be more than they did when the lock was written."""
    overridden, extras, accepts = lock.overridden(), _locked_extras(pylock), lock.request.target.accepts_marker
    for source, wheel in built:
        lines = (
            HeaderParser().parsestr(wheel.metadata).get_all("Requires-Dist", []) if source.kind == "directory" else ()
        )
        place = os.path.relpath(source.path, lock.lock.folder)
        for needed in (parse_requirement(line, f"The METADATA of {place}") for line in lines):
            applies = any(accepts(needed.marker, extra=one) for one in ("", *extras.get(wheel.name, ())))
            if applies and overridden.isdisjoint({wheel.name, canonicalize_name(needed.name)}):
                needed.marker = None
                yield Direct(text=str(needed), place=place)


def _pin(package: Package, file: Any, lock: LockFile) -> PinnedSource:
    """Return the source that a package of a lock names; a path begins at the lock, wherever it leads."""
    url = getattr(file, "url", None) or (lock.folder / str(file.path)).resolve().as_uri()
    sha256 = getattr(file, "hashes", {}).get("sha256", "").lower()
    if isinstance(file, PackageDirectory):
        if not names_folder(lock.folder / file.path):
            raise LockError(f"{package.name} is the directory {file.path!r}, which isn't there.")
    elif isinstance(file, PackageVcs):
        # PEP 751: the exact commit; a branch or tag may be another one tomorrow.
        if file.type == "git" and not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", file.commit_id):
            raise LockError(f"{package.name} has the commit-id {file.commit_id!r}, which isn't the id of a commit.")
        url = f"{file.type}+{url}@{file.commit_id}"
    elif not sha256:
        raise UnsupportedRequirementError(
            f"The lock has no sha256 of the source of {package.name}, only {', '.join(file.hashes)}; write it again with "
            "sha256 hashes."
        )
    if subdirectory := getattr(file, "subdirectory", None):
        url = f"{url}#subdirectory={subdirectory}"
    version = str(package.version or "") if isinstance(file, PackageSdist) else ""
    return PinnedSource(name=package.name, version=version, url=url, sha256=sha256)


def _rebase(wheel: LockedWheel, lock: LockFile, entry: Path) -> LockedWheel:
    """Name a file by its path from the entry directory, where the lock names it by that from its own folder."""
    if "://" in wheel.url or wheel.url.startswith("file:"):
        return wheel
    return dataclasses.replace(wheel, url=relative_place(lock.folder / wheel.url, entry))


def targets_of(pylock: Pylock) -> tuple[Target, ...]:
    """Return the targets that a lock of this library's own was written for; none for another's."""
    names: Mapping[str, Any] = (pylock.tool or {}).get(TOOL, {})
    return tuple(Target.parse(*name.split()) for name in names.get("targets", ()))
