"""The resolution of a committed lock file for a target.

It is kept in the store by the content of all that it was read from, and is used for as long as that stays the same. A lock that is
new is read by `lock_resolution`; each format of locks (see `lock_format`) gives it as PEP 751 has it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from datetime import UTC, datetime

from packaging.utils import canonicalize_name

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.locks.lock_format import LockFormat, with_indexes
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import (
    DatedResolution,
    LockFile,
    Resolution,
    ResolutionRequest,
    constraint_digest,
    current_resolution,
    identify,
    read_build_variables,
    recalled_resolution,
    remember_resolution,
)
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import input_digest

# A lock with this distribution is that of the CDK app, not of a function.
_CDK = "aws-cdk-lib"


def read_lock(
    request: ResolutionRequest,
    store: Store,
    *,
    resolve_lock: Callable[[LockFormat], Resolution],
    resolve: Callable[[ResolutionRequest], Resolution],
    progress: Progress = QUIET,
) -> Resolution:
    """Return what the request's lock file comes to for its target: as it is remembered, else that of `resolve_lock`.

    `resolve` is asked for what no lock has, such as what the app imports and doesn't require. Raises `LockError` naming the command that
    renews a lock that is out of date, `NoWheelError` naming what has no file for the target, `ToolError` where the tool that reads
    a lock is missing, and the kinds of `RequirementsError`.
    """
    lock = request.lock
    assert lock is not None
    key, now = key_of("committed lock", request, LockContent.read(request, lock)), datetime.now(UTC)
    with store.claims.alone(("resolutions", key)):
        known = recalled_resolution(key, request.entry, os.environ, store)
        if known is None:
            resolved = resolve_lock(LockFormat.of(lock, with_indexes(request), progress))
            known = DatedResolution(created=now, resolution=resolved)
            remember_resolution(known, key, request.entry, os.environ, store, began=now.timestamp())
    resolution = known.resolution
    if lock.folder != request.entry and not lock.named and any(wheel.name == _CDK for wheel in resolution.wheels):
        unlocked = current_resolution(dataclasses.replace(request, lock=None), store, resolve=resolve)
        return dataclasses.replace(unlocked, findings=(*unlocked.findings, _cdk_finding(lock)))
    return _with_bare(resolution, request, store, resolve)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LockContent:
    """What a lock comes to depends on, besides the request's fields: content in place of paths, no credentials."""

    name: str
    entry: str
    own_project: bool
    files: tuple[str, ...]
    direct: tuple[str, ...]
    extra: tuple[str, ...]
    build_variables: tuple[str, ...]
    build_constraint: str

    @classmethod
    def read(cls, request: ResolutionRequest, lock: LockFile) -> LockContent:
        """Read a lock, and the project files that it belongs to."""
        read = LockFormat.of(lock, request)
        return cls(
            name=lock.path.name,
            entry=os.path.relpath(request.entry, lock.folder),
            own_project=read.own_project is not None,
            files=(input_digest(read.raw), *(input_digest(path.read_bytes()) for path in read.project_files())),
            direct=tuple(direct.text for direct in read.direct()),
            extra=tuple(map(identify, request.extra)),
            build_variables=tuple(read_build_variables(request.pip_environment)),
            build_constraint=constraint_digest(request),
        )


def _cdk_finding(lock: LockFile) -> Finding:
    message = (
        f"{lock.path.name} above the entry directory isn't used: it locks {_CDK}, so it is the CDK app's own. Put the "
        "function's requirements into a requirements.txt in its directory, an empty one if it has none, or name the lock "
        "with packaging=Packaging(requirements=…)."
    )
    return Finding(id="lock-of-the-cdk-app", severity=Severity.WARNING, message=message, subject=lock.path.name)


def _with_bare(
    resolution: Resolution,
    request: ResolutionRequest,
    store: Store,
    resolve: Callable[[ResolutionRequest], Resolution],
) -> Resolution:
    """Add what the app imports without requiring it, where the lock hasn't got it."""
    known = {wheel.name for wheel in resolution.wheels} | set(request.provided)
    bare = tuple(name for name in request.bare if canonicalize_name(name) not in known)
    if not bare:
        return resolution
    alone = dataclasses.replace(request, lock=None, requirements=None, extra=(), bare=bare)
    found = current_resolution(alone, store, resolve=resolve)
    wheels = sorted((*resolution.wheels, *found.wheels), key=lambda wheel: wheel.name)
    return dataclasses.replace(
        resolution, wheels=tuple(wheels), pinned=found.pinned, findings=(*resolution.findings, *found.findings)
    )
