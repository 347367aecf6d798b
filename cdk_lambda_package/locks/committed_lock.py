"""The resolution of a committed lock file for a target. Nothing is resolved again.

pylock.toml names its files, and so does what uv exports. Of what poetry and pipenv export, pip looks the files up by
name, version and hash, without following a dependency. The result is kept in the store by the content of all
that was read, and is used for as long as that stays the same.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock, PylockValidationError
from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import Finding, LockError, NoWheelError, Severity, UnsupportedRequirementError
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.locks.lock_check import find_direct, find_own_names, find_unsatisfied
from cdk_lambda_package.locks.lock_export import export_lock, name_project, project_files, read_toml
from cdk_lambda_package.locks.locked_sources import build_locked, built_inputs, find_needs, without_builds
from cdk_lambda_package.locks.lookup import look_up, read_pinned_lines
from cdk_lambda_package.locks.uv_lock import find_changes, with_edges
from cdk_lambda_package.locks.vendored import read_vendored
from cdk_lambda_package.requirements import (
    TOOL,
    DatedResolution,
    LockedWheel,
    LockFile,
    LockKind,
    Resolution,
    ResolutionRequest,
    current_resolution,
    dump_pylock,
    identify,
    lock_command,
    read_build_variables,
    read_constraint,
    recalled_resolution,
    refuse_sources,
    remember_resolution,
    renewal,
)
from cdk_lambda_package.resolving import index_variables, is_wheel, resolve, select_files, select_wheels
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import input_digest, without_credentials

# A lock with this distribution is that of the CDK app, not of a function.
_CDK = "aws-cdk-lib"


def read_lock(request: ResolutionRequest, store: Store) -> Resolution:
    """Return what the request's lock file comes to for its target.

    What the app only imports, not requires, is resolved if the lock hasn't got it. Raises `LockError` naming the
    command that renews a lock that is out of date, `NoWheelError` naming what has no file for the target, `ToolError`
    where the tool that reads a lock is missing, and the kinds of `RequirementsError`.
    """
    lock = _lock(request)
    key, now = key_of("committed lock", request, LockContent.read(request, lock)), datetime.now(UTC)
    known = recalled_resolution(key, request.entry, os.environ, store)
    if known is None:
        known = DatedResolution(created=now, resolution=_read(_with_indexes(request, lock), lock, store))
        remember_resolution(known, key, request.entry, os.environ, store, began=now.timestamp())
    resolution = known.resolution
    if lock.folder != request.entry and not lock.named and _is_the_cdk_apps(resolution):
        unlocked = dataclasses.replace(request, lock=None)
        return _with_finding(_resolved(unlocked, store), _cdk_finding(lock))
    return _with_bare(resolution, request, store)


def _with_indexes(request: ResolutionRequest, lock: LockFile) -> ResolutionRequest:
    variables = index_variables(lock, request.entry, dict(request.pip_environment), hosts=request.only_index)
    return dataclasses.replace(request, pip_environment=variables)


def _lock(request: ResolutionRequest) -> LockFile:
    assert request.lock is not None
    return request.lock


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LockContent:
    """What a lock comes to depends on, besides the request's fields: content in place of paths, no credentials."""

    name: str
    entry: str
    files: tuple[str, ...]
    direct: tuple[str, ...]
    extra: tuple[str, ...]
    build_variables: tuple[str, ...]
    build_constraint: str

    @classmethod
    def read(cls, request: ResolutionRequest, lock: LockFile) -> LockContent:
        """Read a lock, and the project files that it belongs to."""
        return cls(
            name=lock.path.name,
            entry=os.path.relpath(request.entry, lock.folder),
            files=tuple(input_digest(path.read_bytes()) for path in (lock.path, *project_files(lock))),
            direct=tuple(direct.text for direct in find_direct(lock, request.entry)),
            extra=tuple(map(identify, request.extra)),
            build_variables=tuple(read_build_variables(request.pip_environment)),
            build_constraint=read_constraint(request),
        )


def _read(request: ResolutionRequest, lock: LockFile, store: Store) -> Resolution:
    direct = find_direct(lock, request.entry)
    text = None if lock.kind is LockKind.PYLOCK else export_lock(lock, request.entry, request.groups, request.extras)
    if lock.kind in (LockKind.POETRY, LockKind.PIPENV):
        pylock, built = look_up(request, lock, read_pinned_lines(text or "", lock, request.target), store=store)
    else:
        pylock, built = _parse(lock, text, request), ()
    renew = renewal(lock, ours=_command(request, lock, pylock), created_by=pylock.created_by)
    groups, extras = _groups(pylock, lock, request), _extras(pylock, lock, request)
    try:
        selected = select_files(pylock, request.target, groups=groups, extras=extras)
        if lock.kind in (LockKind.PYLOCK, LockKind.UV):
            refuse_sources([pair for pair in selected if not is_wheel(pair[1])], request)
            pylock, built = build_locked(pylock, selected, request, lock, store=store)
        wheels = select_wheels(pylock, request.target, groups=groups, extras=extras)
    except LockError as error:
        raise LockError(f"{lock.path}: {error} Renew it by {renew}.") from error
    except (NoWheelError, UnsupportedRequirementError) as error:
        raise type(error)(f"{lock.path}: {error}") from error
    wheels = tuple(_rebase(wheel, lock, request.entry) for wheel in wheels)
    wheels, needs = read_vendored(request, wheels)
    needs = (*needs, *find_needs(built, pylock, lock, request.target))
    unsatisfied = find_unsatisfied([*direct, *needs], wheels, request.provided, request.target, pylock)
    if lock.kind is LockKind.UV and not unsatisfied:
        project = read_toml(name_project(lock, request.entry))
        unsatisfied = find_changes(
            project, read_toml(lock.path), request.target, groups=request.groups, extras=request.extras
        )
    if unsatisfied:
        raise LockError(f"{lock.path} is out of date: {'; '.join(unsatisfied)}. Renew it by {renew}.")
    provided = {canonicalize_name(name) for name in request.provided}
    return Resolution(
        lock=dump_pylock(pylock),
        wheels=tuple(wheel for wheel in wheels if wheel.name not in provided),
        pinned=True,
        inputs=built_inputs(built, request.entry),
        findings=tuple(finding for _, wheel in built for finding in wheel.findings),
    )


def _command(request: ResolutionRequest, lock: LockFile, pylock: Pylock) -> str:
    """Return the command that writes the lock for the targets that it has and the one that is asked for."""
    return lock_command(request.entry, dict.fromkeys([*targets_of(pylock), request.target]), output=lock.path)


def _parse(lock: LockFile, text: str | None, request: ResolutionRequest) -> Pylock:
    try:
        content = tomllib.loads(lock.path.read_text(encoding="utf-8") if text is None else text)
        if lock.kind is LockKind.UV:
            names = find_own_names(lock, request.entry, request.groups)
            content = with_edges(content, read_toml(lock.path), names, request.target)
        # Credentials in a lock stay there, and are copied nowhere: see `find_full_urls`.
        return Pylock.from_dict(without_credentials(without_builds(content)))
    except (OSError, ValueError, PylockValidationError) as error:
        raise LockError(f"{lock.path} isn't a lock as PEP 751 has it: {error}. Write it again.") from error


def _groups(pylock: Pylock, lock: LockFile, request: ResolutionRequest) -> frozenset[str]:
    """Return the dependency groups to select: those that the lock has by default, without dev, and those asked for."""
    if lock.kind is not LockKind.PYLOCK:
        return frozenset()
    _refuse_unknown("groups", request.groups, pylock.dependency_groups or (), lock)
    return frozenset(pylock.default_groups or ()) - {"dev"} | frozenset(request.groups)


def _extras(pylock: Pylock, lock: LockFile, request: ResolutionRequest) -> frozenset[str]:
    if lock.kind is not LockKind.PYLOCK:
        return frozenset()
    _refuse_unknown("extras", request.extras, pylock.extras or (), lock)
    return frozenset(map(canonicalize_name, request.extras))


def _refuse_unknown(option: str, asked: Iterable[str], known: Iterable[str], lock: LockFile) -> None:
    names = {canonicalize_name(name) for name in known}
    missing = [name for name in asked if canonicalize_name(name) not in names]
    if missing:
        has = f"has {', '.join(sorted(known))}" if names else "has none"
        raise LockError(f"{option} {', '.join(missing)}: {lock.path} {has}.")


def _rebase(wheel: LockedWheel, lock: LockFile, entry: Path) -> LockedWheel:
    """Name a file by its path from the entry directory, where the lock names it by that from its own folder."""
    if "://" in wheel.url or wheel.url.startswith("file:"):
        return wheel
    path = Path(os.path.relpath(lock.folder / wheel.url, entry))
    return dataclasses.replace(wheel, url=path.as_posix())


def _is_the_cdk_apps(resolution: Resolution) -> bool:
    return any(wheel.name == _CDK for wheel in resolution.wheels)


def _cdk_finding(lock: LockFile) -> Finding:
    message = (
        f"{lock.path.name} above the entry directory isn't used: it locks {_CDK}, so it is the CDK app's own. Put the "
        "function's requirements into a requirements.txt in its directory, an empty one if it has none, or name the lock "
        "with packaging=Packaging(requirements=…)."
    )
    return Finding(id="lock-of-the-cdk-app", severity=Severity.WARNING, message=message, subject=lock.path.name)


def _with_bare(resolution: Resolution, request: ResolutionRequest, store: Store) -> Resolution:
    """Add what the app imports without requiring it, where the lock hasn't got it."""
    known = {wheel.name for wheel in resolution.wheels} | set(request.provided)
    bare = tuple(name for name in request.bare if canonicalize_name(name) not in known)
    if not bare:
        return resolution
    found = _resolved(dataclasses.replace(request, lock=None, requirements=None, extra=(), bare=bare), store)
    wheels = sorted((*resolution.wheels, *found.wheels), key=lambda wheel: wheel.name)
    return dataclasses.replace(
        resolution, wheels=tuple(wheels), pinned=found.pinned, findings=(*resolution.findings, *found.findings)
    )


def _resolved(request: ResolutionRequest, store: Store) -> Resolution:
    return current_resolution(request, store, resolve=lambda asked: resolve(asked, store=store))


def _with_finding(resolution: Resolution, finding: Finding) -> Resolution:
    return dataclasses.replace(resolution, findings=(*resolution.findings, finding))


def targets_of(pylock: Pylock) -> tuple[Target, ...]:
    """Return the targets that a lock of this library's own was written for; none for another's."""
    names: Mapping[str, Any] = (pylock.tool or {}).get(TOOL, {})
    return tuple(Target.parse(*name.split()) for name in names.get("targets", ()))
