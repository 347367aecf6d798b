"""Write a lock (PEP 751) that covers several targets.

Each target is resolved by itself; what comes out is joined: a package that all targets have in one version stands there
once, with the wheels of all; one that they don't have alike stands under markers that tell the targets apart. The same
files always give the same text.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import LockError, OptionError, PackageError
from cdk_lambda_package.hooks import PreparedEntry, prepare
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import (
    PYLOCK,
    TOOL,
    LockedWheel,
    Resolution,
    ResolutionRequest,
    check_resolution,
    find_repository,
    name_lock,
    read_times,
)
from cdk_lambda_package.resolving import select_files
from cdk_lambda_package.stages import plan_resolution
from cdk_lambda_package.store import Store, replacing
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import local_path

Resolve = Callable[[ResolutionRequest], Resolution]
_Table = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A lock's text as it should be, and whether the file has it already."""

    path: Path
    text: str
    current: bool
    packages: int
    targets: tuple[Target, ...]


def make_lock(
    requests: Sequence[PackageRequest],
    *,
    output: Path | None = None,
    upgrade: bool = False,
    store: Store,
    resolve: Resolve,
    progress: Progress = lambda _: None,
) -> Locked:
    """Resolve the requests, alike but for their targets, and return the lock that covers them all.

    What is resolved is what the commands of `before_packaging` leave. Versions of the lock that is there are kept where
    they still satisfy, unless `upgrade`. Raises the kinds of `PackageError`; nothing is written.
    """
    path = (output or requests[0].entry_path / PYLOCK).absolute()
    _check_name(path)
    prepared = prepare(requests[0], store, progress)
    resolutions: dict[Target, Resolution] = {}
    with prepared.naming_errors():
        plans = [plan_resolution(request, prepared.entry, store) for request in map(prepared.move, requests)]
        for target, asked in {asked.target: asked for asked in plans}.items():
            progress(f"Resolving requirements for {target}")
            kept = () if upgrade else _read_versions(path, target)
            resolved = check_resolution(resolve(dataclasses.replace(asked, preferred=kept)), asked)
            resolutions[target] = _with_own_paths(_without_vendored(resolved, asked), prepared)
    requirements = _name_source(plans[0], prepared)
    content = join(
        resolutions,
        Place(folder=path.parent, entry=prepared.entry, requirements=requirements, name=prepared.name),
    )
    _prove(content, resolutions)
    text = _write(content)
    current = path.is_file() and path.read_text(encoding="utf-8") == text
    return Locked(
        path=path,
        text=text,
        current=current,
        packages=len(content["packages"]),
        targets=tuple(sorted(resolutions, key=str)),
    )


def write_lock(locked: Locked) -> None:
    """Write the lock's file, whole or not at all; one that is current isn't touched."""
    if not locked.current:
        with replacing(locked.path) as stream:
            stream.write(locked.text.encode())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a lock is written: its `folder`, and what it is the lock of.

    `entry` is the directory in which was resolved, which may be a copy; `name` gives the user's path in its place.
    """

    folder: Path
    entry: Path
    requirements: Path | None = None
    name: Callable[[str], str] = str

    def describe(self, file: _Table) -> _Table:
        """Return an entry of a resolution's with its path from the lock, also for a URL of the same repository."""
        if "path" in file:
            place = self.name(str(self.entry / file["path"]))
            return {**file, "path": Path(os.path.relpath(place, self.folder)).as_posix()}
        url = self.name(file["url"])
        root = find_repository(self.folder) or self.folder
        if not url.startswith("file:") or not (path := local_path(url)).is_relative_to(root):
            return {**file, "url": url}
        rest = {key: value for key, value in file.items() if key != "url"}
        return {"path": Path(os.path.relpath(path, self.folder)).as_posix(), **rest}


def join(resolutions: Mapping[Target, Resolution], place: Place) -> _Table:
    """Return the lock of all targets' resolutions."""
    targets = sorted(resolutions, key=lambda target: (target.runtime.version, target.architecture.value))
    entries: dict[tuple[str, str, str], dict[Target, LockedWheel]] = defaultdict(dict)
    for target in targets:
        for wheel in resolutions[target].wheels:
            entries[wheel.name, wheel.version, wheel.url if wheel.direct else ""][target] = wheel
    sources = {target: find_sources(resolution) for target, resolution in resolutions.items()}
    needs = _find_needs(resolutions.values())
    tool: _Table = {
        "targets": [str(target) for target in targets],
        "requirements": _join_requirements(resolutions.values()),
    }
    if place.requirements is not None:
        tool["requirements-file"] = Path(os.path.relpath(place.requirements, place.folder)).as_posix()
    return {
        "lock-version": "1.0",
        "environments": [marker_of_one(target) for target in targets],
        "created-by": TOOL,
        "packages": [
            _join_package(wheels, targets, needs[key[0]]) | _join_files(wheels, sources, place)
            for key, wheels in sorted(entries.items())
        ],
        "tool": {TOOL: tool},
    }


def _join_package(wheels: Mapping[Target, LockedWheel], targets: Sequence[Target], needs: Iterable[str]) -> _Table:
    first = next(iter(wheels.values()))
    # A local project's version is what its files say on the day (PEP 751, `packages.version`).
    version = {} if first.source and first.direct else {"version": first.version}
    table: _Table = {"name": first.name, **version}
    if first.index:
        table["index"] = first.index
    if marker := marker_of(wheels.keys(), targets):
        table["marker"] = marker
    if needs:
        table["dependencies"] = [{"name": name} for name in sorted(needs)]
    return table


def _join_files(
    wheels: Mapping[Target, LockedWheel], sources: Mapping[Target, Mapping[str, _Table]], place: Place
) -> _Table:
    """Return what a package is made of: wheels, the sdist of those that were built here, or what its URL names."""
    files: dict[str, _Table] = {}
    joined: _Table = {}
    for target, wheel in wheels.items():
        time = {"upload-time": datetime.fromisoformat(wheel.upload_time)} if wheel.upload_time else {}
        file = {"url": wheel.url, **time, "hashes": {"sha256": wheel.sha256}}
        if wheel.source:
            joined |= {kind: place.describe(row) for kind, row in sources[target][wheel.name].items()}
        elif wheel.direct:
            joined["archive"] = place.describe(file)
        else:
            files[wheel.filename] = {"name": wheel.filename, **place.describe(file)}
    return joined | ({"wheels": [files[name] for name in sorted(files)]} if files else {})


def find_sources(resolution: Resolution) -> dict[str, _Table]:
    """Return what a resolution's wheels were built of, as a lock has it, by the packages' names."""
    rows = json.loads(resolution.lock, object_hook=read_times)["packages"]
    kinds = ("sdist", "archive", "directory", "vcs")
    built = (row for row in rows if "built" in row.get("tool", {}).get(TOOL, {}))
    return {row["name"]: {kind: row[kind] for kind in kinds if kind in row} for row in built}


def _find_needs(resolutions: Iterable[Resolution]) -> Mapping[str, set[str]]:
    needs: dict[str, set[str]] = defaultdict(set)
    for resolution in resolutions:
        for wheel in resolution.wheels:
            for parent in wheel.required_by:
                needs[parent].add(wheel.name)
    return needs


def _join_requirements(resolutions: Iterable[Resolution]) -> list[_Table]:
    """Return what the app itself requires on any target, by name with the extras."""
    extras: dict[str, set[str]] = defaultdict(set)
    for resolution in resolutions:
        for row in json.loads(resolution.lock).get("tool", {}).get(TOOL, {}).get("requirements", ()):
            extras[row["name"]].update(row.get("extras", ()))
    return [{"name": name, **({"extras": sorted(extras[name])} if extras[name] else {})} for name in sorted(extras)]


def _without_vendored(resolution: Resolution, asked: ResolutionRequest) -> Resolution:
    """Leave out the wheels of vendor/: they are in the entry directory, and are read there each time."""
    vendored = {line.partition(" @ ")[0] for line in asked.extra if " @ file:" in line}
    lock = json.loads(resolution.lock)
    rows = lock.get("tool", {}).get(TOOL, {}).get("requirements", [])
    rows[:] = [row for row in rows if row["name"] not in vendored]
    wheels = tuple(wheel for wheel in resolution.wheels if wheel.name not in vendored)
    return dataclasses.replace(resolution, lock=json.dumps(lock), wheels=wheels)


def _name_source(asked: ResolutionRequest, prepared: PreparedEntry) -> Path | None:
    source = asked.requirements or asked.entry / "pyproject.toml"
    return Path(prepared.name(str(source))) if source.is_file() else None


def _with_own_paths(resolution: Resolution, prepared: PreparedEntry) -> Resolution:
    """Name local files by where the user has them: a copy's path means nothing to a reader of the lock."""
    wheels = (dataclasses.replace(wheel, url=prepared.name(wheel.url)) for wheel in resolution.wheels)
    return dataclasses.replace(resolution, wheels=tuple(wheels))


def _prove(content: _Table, resolutions: Mapping[Target, Resolution]) -> None:
    """Refuse a lock from which another file would be selected for a target than was resolved for it."""
    from packaging.pylock import Pylock

    pylock = Pylock.from_dict(content)
    for target, resolution in resolutions.items():
        selected = {(package.name, _digest(file)) for package, file in select_files(pylock, target)}
        if names := sorted({name for name, _ in selected ^ _resolved(resolution)}):
            raise PackageError(f"The lock wouldn't give {target} the files that were resolved for it of {', '.join(names)}; "
                               "it isn't written. Lock the targets in files of their own.")  # fmt: skip


def _digest(file: object) -> str | None:
    # Directories and checkouts have none.
    hashes: Mapping[str, str] = getattr(file, "hashes", {})
    return hashes.get("sha256")


def _resolved(resolution: Resolution) -> set[tuple[str, str | None]]:
    sources = find_sources(resolution)
    built = {name: row.get("hashes", {}).get("sha256") for name, rows in sources.items() for row in rows.values()}
    return {(wheel.name, built[wheel.name] if wheel.source else wheel.sha256) for wheel in resolution.wheels}


def _check_name(path: Path) -> None:
    lock = name_lock(path)
    if lock is None or lock.format != PYLOCK:
        raise OptionError(f"output {str(path)!r} isn't a name that locks have; accepted are pylock.toml and pylock.<name>.toml, "
                          "the name without a dot.")  # fmt: skip
    if not path.parent.is_dir():
        raise OptionError(f"output {str(path)!r}: there is no directory {path.parent}; make it, or name another one.")


def _read_versions(path: Path, target: Target) -> tuple[tuple[str, str], ...]:
    """Return the versions that a lock has for the target, or for others where it doesn't know this one."""
    from packaging.pylock import Pylock, PylockValidationError

    try:
        packages = Pylock.from_dict(tomllib.loads(path.read_text(encoding="utf-8"))).packages
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, PylockValidationError) as error:
        raise LockError(f"{path} can't be read: {error}. Remove it, or give --upgrade.") from error
    return tuple(
        (package.name, str(package.version))
        for package in packages
        if package.version
        and (package.marker is None or package.marker.evaluate(target.environment, context="lock_file"))
    )


def _write(content: _Table) -> str:
    import tomli_w

    comment = "# Written by `cdk-lambda-package lock`, which also renews it.\n"
    return comment + tomli_w.dumps(content)


def marker_of(chosen: Iterable[Target], targets: Sequence[Target]) -> str | None:
    """Return the marker that holds for the chosen ones among the targets, as short as it can be; None for all."""
    wanted = set(chosen)
    if wanted == set(targets):
        return None
    for name in (_python_marker, _machine_marker):
        whole = {name(target) for target in wanted} - {name(target) for target in targets if target not in wanted}
        if all(name(target) in whole for target in wanted):
            return " or ".join(dict.fromkeys(name(target) for target in targets if target in wanted))
    both = [f"{_python_marker(target)} and {_machine_marker(target)}" for target in targets if target in wanted]
    return both[0] if len(both) == 1 else " or ".join(f"({one})" for one in both)


def _python_marker(target: Target) -> str:
    return f"python_version == '{target.environment['python_version']}'"


def _machine_marker(target: Target) -> str:
    return f"platform_machine == '{target.architecture.machine}'"


def marker_of_one(target: Target) -> str:
    """Return the marker that holds for a target and for no other."""
    return f"{_python_marker(target)} and {_machine_marker(target)} and sys_platform == 'linux'"
