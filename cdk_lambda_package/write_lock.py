"""Write a lock (PEP 751) that covers several targets.

Each target is resolved by itself; what comes out is joined: a package that all targets have in one version stands there
once, with the wheels of all; one that they don't have alike stands under markers that tell the targets apart. The same
files always give the same text.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name

from cdk_lambda_package.app_directory import REQUIREMENTS_FILE, settled
from cdk_lambda_package.errors import LockError, OptionError, PackageError, nearest
from cdk_lambda_package.hooks import PreparedEntry, prepare
from cdk_lambda_package.locks import locked_versions
from cdk_lambda_package.options import PackageRequest, with_defaults
from cdk_lambda_package.outputs import Output, replace_files
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.requirements import (
    PYLOCK,
    TOOL,
    LockedWheel,
    Resolution,
    ResolutionRequest,
    check_resolution,
    find_repository,
    lock_of,
    name_lock,
    read_times,
)
from cdk_lambda_package.resolving import resolve, select_files
from cdk_lambda_package.stages import plan_resolution
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import local_path

_Table = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A lock's text as it should be, and whether the file has it already."""

    path: Path
    text: str
    current: bool
    packages: int
    targets: tuple[Target, ...]
    names: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """Which versions of a lock that is there aren't kept: those of `names`, normalised, or `all` of them."""

    all: bool = False
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, given: Iterable[str | None]) -> Upgrade:
        """Return what `--upgrade` and `--upgrade=NAME` ask for; None stands for the first.

        Example:
            `Upgrade.of(["Boto3"]).names == {"boto3"}`
        """
        given = tuple(given)
        names = frozenset(canonicalize_name(name) for name in given if name is not None)
        return cls(all=None in given, names=names)

    def check(self, locks: Iterable[Locked]) -> None:
        """Raise `OptionError` for a name that no lock has: it may be misspelt."""
        known = frozenset[str]().union(*(lock.names for lock in locks))
        for name in sorted(self.names - known):
            near = nearest(name, known)
            advice = f"did you mean {near[0]!r}?" if near else "give the name of a locked distribution."
            raise OptionError(f"--upgrade={name}: no lock has a distribution of this name; {advice}")


def make_lock(
    requests: Sequence[PackageRequest], *, output: Path | None, upgrade: Upgrade, store: Store, progress: Progress
) -> Locked:
    """Resolve the requests, alike but for their targets and entry directories, and return the lock that covers them all.

    What is resolved is what the commands of `before_packaging` leave. Versions of the lock that is there are kept where
    they still satisfy, unless `upgrade` names them. Raises the kinds of `PackageError`; nothing is written.
    """
    requests = list(map(with_defaults, requests))
    named = requests[0].packaging.requirements
    path = (output or lock_of(requests[0].entry_path / (named or REQUIREMENTS_FILE))).absolute()
    _check_name(path)
    Output(path=path, unless_current=True).check()
    plans: dict[Target, list[ResolutionRequest]] = defaultdict(list)
    titles: dict[Target, str] = {}
    for request in requests:
        with progress.about(request.title):
            prepared = settled(partial(prepare, request, store, progress))
            with prepared.naming_errors():
                asked = settled(partial(plan_resolution, prepared.move(request), prepared.entry, store))
        plans[asked.target].append(asked)
        titles.setdefault(asked.target, request.title)
    # Places in messages and in the lock are those of the first one, where all is resolved.
    prepared = settled(partial(prepare, requests[0], store, progress))
    parts: dict[Target, _Part] = {}
    for target, several in plans.items():
        asked = _join_plans(several)
        with prepared.naming_errors(), progress.about(titles[target]):
            kept = () if upgrade.all else _read_versions(path, target)
            preferred = tuple((name, version) for name, version in kept if canonicalize_name(name) not in upgrade.names)
            resolved = resolve(dataclasses.replace(asked, preferred=preferred), store=store, progress=progress)
            parts[target] = _part(check_resolution(resolved, asked), asked)
    first = next(iter(plans.values()))[0]
    content = _join(parts, path.parent, prepared)
    source = first.requirements or first.entry / "pyproject.toml"
    if source.is_file():
        content["tool"][TOOL]["requirements-file"] = _relative(prepared.name(str(source)), path.parent)
    _prove(content, parts)
    text = "# Written by `cdk-lambda-package lock`, which also renews it.\n" + tomli_w.dumps(content)
    return Locked(
        path=path,
        text=text,
        current=path.is_file() and path.read_bytes() == text.encode(),
        packages=len(content["packages"]),
        targets=tuple(sorted(parts, key=str)),
        names=frozenset(canonicalize_name(row["name"]) for row in content["packages"]),
    )


def _join_plans(plans: Sequence[ResolutionRequest]) -> ResolutionRequest:
    """Return one plan for several of a target: what one function has of its own may be missing in the lock for another one."""
    first = plans[0]
    provided = frozenset(first.provided).intersection(*(asked.provided for asked in plans))
    return dataclasses.replace(
        first,
        extra=tuple(dict.fromkeys(line for asked in plans for line in asked.extra)),
        bare=tuple(dict.fromkeys(name for asked in plans for name in asked.bare)),
        provided=tuple(sorted(provided)),
    )


def write_locks(locks: Iterable[Locked]) -> None:
    """Write the files of locks, all or none; one that is current isn't touched. Raises `OutputError`."""
    replace_files({lock.path: lock.text.encode() for lock in locks if not lock.current})


def _check_name(path: Path) -> None:
    lock = name_lock(path)
    if lock is None or lock.format != PYLOCK:
        raise OptionError(
            f"output {str(path)!r} isn't a name that locks have; accepted are pylock.toml and pylock.<name>.toml, the name "
            "without a dot."
        )


def _read_versions(path: Path, target: Target) -> tuple[tuple[str, str], ...]:
    try:
        return locked_versions(path, target)
    except LockError as error:
        raise LockError(f"{error} Or remove it, or give --upgrade.") from error


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What was resolved for one target.

    `sources` has, by the packages' names, what wheels were built of, as a lock has it. `requirements` are the app's own.
    """

    wheels: tuple[LockedWheel, ...]
    sources: Mapping[str, _Table]
    requirements: tuple[_Table, ...]

    @property
    def digests(self) -> set[tuple[str, str | None]]:
        """Each name with the sha256 of its wheel or of the archive that it was built of; None for other sources."""
        built = {
            name: row.get("hashes", {}).get("sha256") for name, rows in self.sources.items() for row in rows.values()
        }
        return {(wheel.name, built[wheel.name] if wheel.source else wheel.sha256) for wheel in self.wheels}


def _part(resolution: Resolution, asked: ResolutionRequest) -> _Part:
    """Return a resolution without the wheels of vendor/: they are in the entry directory, and are read there each time."""
    # These have a hash; the project in the entry directory is a directory, which has none.
    vendored = {line.partition(" @ ")[0] for line in asked.extra if " @ file:" in line and "#sha256=" in line}
    lock = json.loads(resolution.lock, object_hook=read_times)
    requirements = lock.get("tool", {}).get(TOOL, {}).get("requirements", ())
    kinds = ("sdist", "archive", "directory", "vcs")
    built = (row for row in lock["packages"] if "built" in row.get("tool", {}).get(TOOL, {}))
    return _Part(
        wheels=tuple(wheel for wheel in resolution.wheels if wheel.name not in vendored),
        sources={row["name"]: {kind: row[kind] for kind in kinds if kind in row} for row in built},
        requirements=tuple(row for row in requirements if row["name"] not in vendored),
    )


def _join(parts: Mapping[Target, _Part], folder: Path, prepared: PreparedEntry) -> _Table:
    """Return the lock of all targets, to be written into a folder."""
    targets = sorted(parts, key=lambda target: (target.runtime.version, target.architecture.value))
    entries: dict[tuple[str, str, str], dict[Target, LockedWheel]] = defaultdict(dict)
    needs: dict[str, set[str]] = defaultdict(set)
    extras: dict[str, set[str]] = defaultdict(set)
    for target in targets:
        for wheel in parts[target].wheels:
            entries[wheel.name, wheel.version, wheel.url if wheel.direct else ""][target] = wheel
            for parent in wheel.required_by:
                needs[parent].add(wheel.name)
        for row in parts[target].requirements:
            extras[row["name"]].update(row.get("extras", ()))
    locate = partial(_locate, folder=folder, prepared=prepared)
    requirements = [
        {"name": name, **({"extras": sorted(extras[name])} if extras[name] else {})} for name in sorted(extras)
    ]
    return {
        "lock-version": "1.0",
        "environments": [f"{_pair_marker(target)} and sys_platform == 'linux'" for target in targets],
        "created-by": TOOL,
        "packages": [
            _join_package(wheels, targets, needs[key[0]]) | _join_files(wheels, parts, locate)
            for key, wheels in sorted(entries.items())
        ],
        "tool": {TOOL: {"targets": [str(target) for target in targets], "requirements": requirements}},
    }


def _join_package(wheels: Mapping[Target, LockedWheel], targets: Sequence[Target], needs: Iterable[str]) -> _Table:
    first = next(iter(wheels.values()))
    # A local project's version is what its files say on the day (PEP 751, `packages.version`).
    fields = {
        "version": None if first.source and first.direct else first.version,
        "index": first.index,
        "marker": marker_of(wheels.keys(), targets),
        "dependencies": [{"name": name} for name in sorted(needs)],
    }
    return {"name": first.name, **{name: value for name, value in fields.items() if value}}


def _join_files(
    wheels: Mapping[Target, LockedWheel], parts: Mapping[Target, _Part], locate: Callable[[_Table], _Table]
) -> _Table:
    """Return what a package is made of: wheels, the sdist of those that were built here, or what its URL names."""
    files: dict[str, _Table] = {}
    joined: _Table = {}
    for target, wheel in wheels.items():
        time = {"upload-time": datetime.fromisoformat(wheel.upload_time)} if wheel.upload_time else {}
        size = {"size": wheel.size} if wheel.size else {}
        file = {"url": wheel.url, **time, **size, "hashes": {"sha256": wheel.sha256}}
        if wheel.source:
            joined |= {kind: locate(row) for kind, row in parts[target].sources[wheel.name].items()}
        elif wheel.direct:
            joined["archive"] = locate(file)
        else:
            files[wheel.filename] = {"name": wheel.filename, **locate(file)}
    return joined | ({"wheels": [files[name] for name in sorted(files)]} if files else {})


def _locate(file: _Table, folder: Path, prepared: PreparedEntry) -> _Table:
    """Return a file of a resolution with its path from the lock's folder, also for a URL of the same repository.

    A path of a copy of the entry directory means nothing to a reader of the lock: the user's own takes its place.
    """
    if "path" in file:
        return {**file, "path": _relative(prepared.name(str(prepared.entry / file["path"])), folder)}
    url = prepared.name(file["url"])
    root = find_repository(folder) or folder
    if not url.startswith("file:") or not (path := local_path(url)).is_relative_to(root):
        return {**file, "url": url}
    rest = {key: value for key, value in file.items() if key != "url"}
    return {"path": _relative(path, folder), **rest}


def _relative(path: str | Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _prove(content: _Table, parts: Mapping[Target, _Part]) -> None:
    """Refuse a lock from which another file would be selected for a target than was resolved for it."""
    pylock = Pylock.from_dict(content)
    for target, part in parts.items():
        # Directories and checkouts have no hashes.
        files = ((package.name, getattr(file, "hashes", {})) for package, file in select_files(pylock, target))
        selected = {(name, hashes.get("sha256")) for name, hashes in files}
        if names := sorted({name for name, _ in selected ^ part.digests}):
            raise PackageError(
                f"The lock wouldn't give {target} the files that were resolved for it of {', '.join(names)}; it isn't "
                "written. Lock the targets in files of their own."
            )


def marker_of(chosen: Iterable[Target], targets: Sequence[Target]) -> str | None:
    """Return the marker that holds for the chosen ones among the targets, as short as it can be; None for all."""
    wanted, markers = set(chosen), dict[str, None]()
    if wanted == set(targets):
        return None
    for name in (_python_marker, _machine_marker, _pair_marker):
        markers = dict.fromkeys(name(target) for target in targets if target in wanted)
        if markers.keys().isdisjoint(name(target) for target in targets if target not in wanted):
            break
    return " or ".join(markers)


def _python_marker(target: Target) -> str:
    return f"python_version == '{target.environment['python_version']}'"


def _machine_marker(target: Target) -> str:
    return f"platform_machine == '{target.architecture.machine}'"


def _pair_marker(target: Target) -> str:
    return f"{_python_marker(target)} and {_machine_marker(target)}"
