"""The sources in a lock: what of it isn't wheels for the target, built and put in their place."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs, Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building import BuiltWheel, PinnedSource, Source, describe_build, source_inputs
from cdk_lambda_package.errors import LockError, UnsupportedRequirementError
from cdk_lambda_package.locks.lock_check import Direct, find_locked_extras
from cdk_lambda_package.locks.lock_export import read_toml
from cdk_lambda_package.locks.uv_lock import find_overridden
from cdk_lambda_package.requirements import TOOL, LocalInput, LockFile, LockKind, ResolutionRequest
from cdk_lambda_package.resolving import Built, Selected, build_pinned, is_wheel
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import full_urls


def build_locked(
    pylock: Pylock, selected: Iterable[Selected], request: ResolutionRequest, lock: LockFile, *, store: Store
) -> tuple[Pylock, tuple[Built, ...]]:
    """Return the lock with what was built of its sources, and these builds.

    `selected` are the packages for the target. Raises what `build_pinned` does.
    """
    # By identity: a lock may have a name more than once, for other targets.
    wanted = {id(package): _pin(package, file, lock) for package, file in selected if not is_wheel(file)}
    if not wanted:
        return pylock, ()
    built = build_pinned([*wanted.values()], request, store=store, full_urls=full_urls(lock.path))
    packages = [
        _with_build(package, *built[wanted[id(package)]]) if id(package) in wanted else package
        for package in pylock.packages
    ]
    return dataclasses.replace(pylock, packages=packages), tuple(built.values())


def built_inputs(built: Iterable[Built], entry: Path) -> tuple[LocalInput, ...]:
    """Return the local projects and archives that were built."""
    return tuple(one for source, _ in built for one in source_inputs(source, entry))


def find_needs(built: Iterable[Built], pylock: Pylock, lock: LockFile, target: Target) -> Iterator[Direct]:
    """Yield what local projects require on the day, which may be more than they did when the lock was written."""
    overridden = find_overridden(read_toml(lock.path)) if lock.kind is LockKind.UV else frozenset()
    extras = find_locked_extras(pylock)
    for source, wheel in built:
        if source.kind != "directory":
            continue
        for line in HeaderParser().parsestr(wheel.metadata).get_all("Requires-Dist", []):
            needed = Requirement(line)
            applies = any(target.accepts_marker(needed.marker, extra=one) for one in ("", *extras.get(wheel.name, ())))
            if applies and overridden.isdisjoint({wheel.name, canonicalize_name(needed.name)}):
                needed.marker = None
                yield Direct(text=str(needed), place=os.path.relpath(source.path, lock.folder))


def without_builds(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a lock's table without the packages' `tool` tables: what was built here isn't for a file to say."""
    rows = content.get("packages")
    if not isinstance(rows, list):
        return dict(content)
    return {**content, "packages": [{key: row[key] for key in row if key != "tool"} for row in rows]}


def _with_build(package: Package, source: Source, wheel: BuiltWheel) -> Package:
    tool = {TOOL: {"built": describe_build(source, wheel)}}
    return dataclasses.replace(package, version=package.version or Version(wheel.version), tool=tool)


def _pin(package: Package, file: object, lock: LockFile) -> PinnedSource:
    if isinstance(file, PackageDirectory):
        if not (lock.folder / file.path).is_dir():
            raise LockError(f"{package.name} is the directory {file.path!r}, which isn't there.")
        return PinnedSource(name=package.name, url=_url(None, file.path, file.subdirectory, lock))
    if isinstance(file, PackageVcs):
        _refuse_moving(package, file)
        place = _url(file.url, file.path, None, lock)
        return PinnedSource(
            name=package.name, url=_with_part(f"{file.type}+{place}@{file.commit_id}", file.subdirectory)
        )
    assert isinstance(file, PackageSdist | PackageArchive)
    sha256 = file.hashes.get("sha256", "").lower()
    if not sha256:
        raise UnsupportedRequirementError(
            f"The lock has no sha256 of the source of {package.name}, only {', '.join(file.hashes)}; write it again with "
            "sha256 hashes."
        )
    if isinstance(file, PackageSdist):
        version = str(package.version or "")
        return PinnedSource(
            name=package.name, version=version, url=_url(file.url, file.path, None, lock), sha256=sha256
        )
    return PinnedSource(name=package.name, url=_url(file.url, file.path, file.subdirectory, lock), sha256=sha256)


def _refuse_moving(package: Package, file: PackageVcs) -> None:
    # PEP 751: the exact commit; a branch or tag may be another one tomorrow.
    if file.type == "git" and not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", file.commit_id):
        raise LockError(f"{package.name} has the commit-id {file.commit_id!r}, which isn't the id of a commit.")


def _url(url: str | None, path: str | None, subdirectory: str | None, lock: LockFile) -> str:
    """Return the URL of an entry; a path begins at the lock, wherever it leads."""
    return _with_part(url or (lock.folder / str(path)).resolve().as_uri(), subdirectory)


def _with_part(url: str, subdirectory: str | None) -> str:
    return f"{url}#subdirectory={subdirectory}" if subdirectory else url
