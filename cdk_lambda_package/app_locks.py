"""The locks of a whole app: which functions share one, whether they agree, and what it has for all their targets.

For each function, the file that is locked and the lock's path are found, or why it has none. Functions with one lock have to agree on the
options that decide what is resolved. Then all locks are made at the same time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from cdk_lambda_package.app_directory import REQUIREMENTS_FILE, settled
from cdk_lambda_package.app_plan import AppPlan, PlannedPackage
from cdk_lambda_package.errors import OptionError, PackageError, describe_error
from cdk_lambda_package.failures import reported
from cdk_lambda_package.hooks import prepare
from cdk_lambda_package.locations import show_path
from cdk_lambda_package.options import OPTIONS, Key, PackageRequest, with_defaults
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import PYLOCK, ResolutionRequest, lock_of
from cdk_lambda_package.stages import plan_locked, plan_resolution, read_requested_app
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.workers import run_all
from cdk_lambda_package.write_lock import Locked, Upgrade, make_lock

T = TypeVar("T")

# What a lock has one value of. The file itself tells the locks apart, and a lock has what one function leaves out.
_AGREED = tuple(
    name
    for name, option in OPTIONS.items()
    if option.key is Key.RESOLUTION and name not in ("requirements", "provided", "require_hashes")
)
# The tools that write the locks which this library reads and doesn't write.
_TOOLS = {"uv.lock": "uv lock", "poetry.lock": "poetry lock", "Pipfile.lock": "pipenv lock"}


class AppLock(NamedTuple):
    """A lock, and the constructs that it is for."""

    lock: Locked
    constructs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AppLocks:
    """The locks of an app, and the reason for each construct that has none of them."""

    locks: tuple[AppLock, ...]
    left_out: dict[str, str]


class _Member(NamedTuple):
    """A function, and its request for the lock at `path`, whose content comes from `source`."""

    construct: str
    path: Path
    source: Path
    request: PackageRequest


def make_app_locks(plan: AppPlan, *, upgrade: Upgrade, store: Store, progress: Progress) -> AppLocks:
    """Resolve what the functions of an app require, and return a lock for each requirements file; nothing is written.

    Raises `OptionError` for functions that can't share a lock, and `PackageError` with all errors if locks can't be made.

    Example:
        `make_app_locks(plan, upgrade=Upgrade(), store=Store.open(), progress=QUIET).locks`
    """
    refused = [f"{one.construct}: {one.error}" for one in plan.packages if one.error]
    if refused:
        raise PackageError("\n".join(refused))
    requests = [(one, request) for one in plan.packages for request in one.requests]
    found = run_all([partial(_or_error, partial(_find_place, *one, store, progress)) for one in requests])
    left_out = {
        package.construct: place for (package, _), place in zip(requests, found, strict=True) if isinstance(place, str)
    }
    groups: defaultdict[Path, list[_Member]] = defaultdict(list)
    for place in found:
        if isinstance(place, _Member):
            groups[place.path].append(place)
    _raise_all(
        [
            (package.construct, error)
            for (package, _), error in zip(requests, found, strict=True)
            if isinstance(error, PackageError)
        ]
    )
    for members in groups.values():
        _check_agreement(members)
    tasks = [
        partial(_or_error, partial(_make, path, members, upgrade, store, progress)) for path, members in groups.items()
    ]
    made = run_all(tasks)
    _raise_all(
        [
            (show_path(members[0].source), error)
            for members, error in zip(groups.values(), made, strict=True)
            if isinstance(error, PackageError)
        ]
    )
    locks = tuple(
        AppLock(lock, tuple(dict.fromkeys(one.construct for one in members)))
        for lock, members in zip(made, groups.values(), strict=True)
        if isinstance(lock, Locked)
    )
    upgrade.check(one.lock for one in locks)
    return AppLocks(locks=tuple(sorted(locks, key=lambda one: one.lock.path)), left_out=left_out)


def _or_error(task: Callable[[], T]) -> T | PackageError:
    try:
        with reported("locking the app"):
            return task()
    except PackageError as error:
        return error


def _raise_all(errors: Sequence[tuple[str, PackageError]]) -> None:
    """Raise one error with all of them; a single one stays as it is."""
    distinct = dict.fromkeys(f"{name}: {describe_error(error)}" for name, error in errors)
    if distinct:
        raise PackageError("\n".join(distinct))


def _make(path: Path, members: Sequence[_Member], upgrade: Upgrade, store: Store, progress: Progress) -> Locked:
    distinct = {repr(one.request): one.request for one in members}
    return make_lock(list(distinct.values()), output=path, upgrade=upgrade, store=store, progress=progress)


def _find_place(package: PlannedPackage, request: PackageRequest, store: Store, progress: Progress) -> _Member | str:
    """Return the function's lock and what it is made of, or why `lock` writes none for it."""
    request = with_defaults(request)
    target = Target.parse(request.runtime, request.architecture)
    with progress.about(request.title):
        prepared = settled(partial(prepare, request, store, progress))
        moved = prepared.move(request)
        with prepared.naming_errors():
            app = settled(lambda: read_requested_app(moved, prepared.entry, store))
            asked = plan_locked(moved, app, target, store)
    entry = request.entry_path
    if asked.lock is None or _is_of_cdk_app(asked):
        if asked.requirements is not None:
            source = Path(os.path.normpath(prepared.name(str(asked.requirements))))
            return _Member(package.construct, lock_of(source), source, request)
        with prepared.naming_errors():
            planned = plan_resolution(moved, prepared.entry, store)
        if not planned.extra and not planned.bare:
            return "it has no requirements"
        return _Member(package.construct, entry / PYLOCK, entry / "pyproject.toml", request)
    lock = Path(os.path.normpath(prepared.name(str(asked.lock.path))))
    if asked.lock.format in _TOOLS:
        return f"{show_path(lock)} is its lock, which `{_TOOLS[asked.lock.format]}` renews"
    # Imported here: an app without locks needs nothing of it.
    from cdk_lambda_package.locks import find_source

    origin = find_source(lock)
    if origin is None:
        return f"{show_path(lock)} is its lock, which another tool wrote: renew it with that"
    return _Member(package.construct, lock, origin, _with_source(request, origin))


def _is_of_cdk_app(asked: ResolutionRequest) -> bool:
    """Return whether the lock that was found above the entry directory is the CDK app's own, which no function has."""
    lock = asked.lock
    return (
        lock is not None
        and not lock.named
        and lock.folder != asked.entry
        and b'"aws-cdk-lib"' in lock.path.read_bytes()
    )


def _with_source(request: PackageRequest, source: Path) -> PackageRequest:
    """Return the request for what a lock is made of, in place of the lock."""
    entry = request.entry_path
    if source.suffix == ".toml" and source.parent != entry:
        # The lock of a project above: what the project requires.
        above = replace(request, entry=source.parent, index=None, handler=None)
        return above.with_packaging(
            requirements=None, before_packaging=None, after_packaging=None, include=None, exclude=None
        )
    own = source.parent == entry and source.name in (REQUIREMENTS_FILE, "pyproject.toml")
    return request.with_packaging(requirements=None if own else os.path.relpath(source, entry))


def _check_agreement(members: Sequence[_Member]) -> None:
    first = members[0]
    for other in members[1:]:
        if other.source != first.source:
            raise OptionError(
                f"{first.construct} and {other.construct} have one lock, {show_path(first.path)}, which is made of "
                f"{show_path(first.source)} and of {show_path(other.source)}. Give one of the files another name, and name it in "
                "packaging=Packaging(requirements=…)."
            )
        for name in _AGREED:
            mine, theirs = (one.request.packaging.value(name) for one in (first, other))
            if mine != theirs:
                shown = ["none" if one is None else OPTIONS[name].kind.shown(one) for one in (mine, theirs)]
                file = f"requirements-{other.construct.rpartition('/')[2].lower()}.txt"
                raise OptionError(
                    f"{first.construct} and {other.construct} share {show_path(first.source)}, and a lock has one value of "
                    f"{name}: {shown[0]} and {shown[1]}. Give both the same, or give one of them a file of its own, with "
                    f"packaging=Packaging(requirements={file!r})."
                )
