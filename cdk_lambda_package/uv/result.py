"""Turn what uv chose into a resolution, and find in it what the target can't have. Pure but for reading digests."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.inside_pip.urls import input_digest
from cdk_lambda_package.locks.locked_sources import find_project_files
from cdk_lambda_package.requirements.requirements_file import RequirementLine
from cdk_lambda_package.requirements.resolution import (
    TOOL,
    LockedWheel,
    Resolution,
    ResolutionRequest,
    dump_pylock,
    relative_to_entry,
)
from cdk_lambda_package.resolving.pinned_sources import Built
from cdk_lambda_package.resolving.pip_result import make_built_package
from cdk_lambda_package.resolving.selection import select_wheels
from cdk_lambda_package.resolving.unhashed import explain_unhashed
from cdk_lambda_package.target import Target
from cdk_lambda_package.uv.sources import Sources, requirement_of

_Row = dict[str, Any]


def find_unfit(
    lock: Mapping[str, Any], target: Target, lines: Iterable[RequirementLine], sources: Sources
) -> list[str]:
    """Return what to exclude: releases none of whose wheels the target loads, or that have a hash nobody asked for."""
    hashes, unfit = find_hashes(lines), []
    for row in lock["packages"]:
        if "wheels" not in row or find_build(row, sources) is not None:
            continue
        allowed = hashes.get(row["name"])
        row["wheels"] = [one for one in row["wheels"] if allowed is None or one["hashes"].get("sha256") in allowed]
        names = [one.get("name") or re.split(r"[/\\]", one.get("url") or one["path"])[-1] for one in row["wheels"]]
        if not any(target.accepts_wheel(name.replace("%2B", "+")) for name in names):
            unfit.append(f"{row['name']}!={row['version']}")
    return unfit


def find_build(row: Mapping[str, Any], sources: Sources) -> Built | None:
    """Return what was built of a package, None for one that is a wheel of an index."""
    if found := sources.by_url.get(row["name"]):
        return found
    found = sources.built.get(row["name"])
    return found if found is not None and found[1].version == row.get("version") else None


def find_hashes(lines: Iterable[RequirementLine]) -> dict[str, set[str]]:
    """Return the sha256 hashes that lines allow, by name."""
    named = ((requirement_of(line.text), line) for line in lines if line.hashes)
    return {canonicalize_name(one.name): set(line.hashes) for one, line in named if one is not None}


def make_uv_resolution(
    request: ResolutionRequest,
    rows: Sequence[_Row],
    bare: Sequence[_Row],
    *,
    needs: Mapping[str, Sequence[str]],
    sources: Sources,
    lines: Sequence[RequirementLine],
) -> Resolution:
    """Make the resolution of what uv chose; `needs` says by name what each package needs.

    Raises `UnhashedError` naming all that isn't pinned by a hash, for a request that asks for it.
    """
    packages = [_read_package(row, request, sources, needs.get(row["name"], ())) for row in (*rows, *bare)]
    tool = {
        "target": str(request.target),
        "requirements": _describe_requirements(request, lines, sources),
        "bare": [row["name"] for row in bare],
    }
    pylock = Pylock(lock_version=Version("1.0"), created_by=TOOL, packages=packages, tool={TOOL: tool})
    wheels = select_wheels(pylock, request.target)
    _refuse_unhashed(request, wheels, find_hashes(lines))
    hashed = find_hashes(lines).keys() | {one[1].name for one in sources.all if one[0].kind == "directory"}
    return Resolution(
        lock=dump_pylock(pylock),
        wheels=wheels,
        pinned=bool(wheels) and {wheel.name for wheel in wheels} <= hashed,
        files=tuple(sorted((*_digest_files(request, lines), *find_project_files(sources.all, request.entry)))),
        findings=tuple(dict.fromkeys(finding for _, wheel in sources.all for finding in wheel.findings)),
    )


def _refuse_unhashed(request: ResolutionRequest, wheels: Iterable[LockedWheel], hashed: Iterable[str]) -> None:
    known = {*hashed, *(line.partition(" @ ")[0] for line in request.extra if " @ file:" in line)}
    unhashed = [f"{wheel.name} {wheel.version}" for wheel in wheels if wheel.name not in known]
    if request.require_hashes and unhashed:
        raise explain_unhashed(unhashed, request)


def _read_package(row: _Row, request: ResolutionRequest, sources: Sources, needs: Iterable[str]) -> Package:
    dependencies = [{"name": name} for name in sorted(set(needs))]
    built = find_build(row, sources)
    if built is not None:
        direct, listed = row["name"] in sources.by_url, sources.listed.get(row["name"], {})
        package = make_built_package(*built, request, direct=direct, listed=listed)
        # Who needs what is uv's to say, of what was built as of everything else.
        ours = {TOOL: {"built": (package.tool or {})[TOOL]["built"]}}
        return dataclasses.replace(package, dependencies=dependencies, tool=ours)
    kept = {key: value for key, value in row.items() if key != "sdist" or not row.get("wheels")}
    table = {"lock-version": "1.0", "created-by": TOOL, "packages": [{**kept, "dependencies": dependencies}]}
    return Pylock.from_dict(table).packages[0]


def _describe_requirements(
    request: ResolutionRequest, lines: Iterable[RequirementLine], sources: Sources
) -> list[dict[str, Any]]:
    asked = [requirement_of(text) for text in (*(line.text for line in lines), *request.extra, *request.bare)]
    rows = [
        {"name": canonicalize_name(one.name), "extras": sorted(one.extras)}
        for one in asked
        if one is not None and request.target.accepts_marker(one.marker)
    ]
    known = {row["name"] for row in rows}
    direct = [(wheel.name, one.extras) for one, (_, wheel) in sources.direct if wheel.name not in known]
    return rows + [{"name": name, "extras": sorted(filter(None, extras.split(",")))} for name, extras in direct]


def _digest_files(request: ResolutionRequest, lines: Iterable[RequirementLine]) -> set[tuple[str, str]]:
    paths = {line.path for line in lines} | ({request.requirements} if request.requirements else set())
    return {(relative_to_entry(path, request.entry), input_digest(path.read_bytes())) for path in paths}
