"""Turn what pip chose into a lock, checking that it is what the target needs. Pure but for hashing local wheels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import Package, PackageArchive, PackageWheel, Pylock
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cdk_lambda_package.building.build_outcomes import BuiltWheel, describe_build
from cdk_lambda_package.building.sources import Source, describe_origin, read_upload_time
from cdk_lambda_package.errors import Finding, RequirementsError, Severity
from cdk_lambda_package.requirements.dependencies import trace_dependencies
from cdk_lambda_package.requirements.resolution import (
    TOOL,
    Resolution,
    ResolutionRequest,
    dump_pylock,
    find_place,
    relative_to_entry,
)
from cdk_lambda_package.resolving.selection import select_wheels
from cdk_lambda_package.resolving.source_resolution import find_built
from cdk_lambda_package.resolving.unasked_indexes import explain_untrusted, find_untrusted
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, without_credentials

Result = Mapping[str, Any]


Built = Mapping[str, tuple[Source, BuiltWheel]]


def read_package(row: Result, request: ResolutionRequest, built: Built = MappingProxyType({})) -> Package:
    """Turn an item of pip's report into one of the lock; `built` are the wheels of sources, by the sources' keys.

    Raises `RequirementsError` for a file that the target doesn't load.
    """
    url = without_credentials(row["url"])
    if not urlsplit(url).path.endswith(".whl"):
        return _read_built(row, request, built)
    filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    name, version = canonicalize_name(row["name"]), Version(row["version"])
    _check_wheel(filename, name, version, row["requires_python"], request.target)
    hashes = {"sha256": row["hashes"].get("sha256") or _hash_local(url, filename)}
    direct, time = bool(row["is_direct"]), read_upload_time(row)
    return Package(
        name=name,
        version=version,
        index=row.get("index") or None,
        archive=PackageArchive(url=url, hashes=hashes) if direct else None,
        wheels=None if direct else [PackageWheel(name=filename, url=url, hashes=hashes, upload_time=time)],
        tool={TOOL: {"requires-dist": list(row["requires_dist"])}},
    )


def _read_built(row: Result, request: ResolutionRequest, built: Built) -> Package:
    name, version = canonicalize_name(row["name"]), Version(row["version"])
    found = [pair for pair in built.values() if (pair[1].name, Version(pair[1].version)) == (name, version)]
    if not found:
        raise RequirementsError(f"pip chose {row['url']}, which wasn't built; nothing is packaged from it.")
    return make_built_package(*found[0], request, direct=bool(row["is_direct"]), listed=row)


def make_built_package(
    source: Source,
    wheel: BuiltWheel,
    request: ResolutionRequest,
    *,
    direct: bool,
    listed: Mapping[str, Any] = MappingProxyType({}),
) -> Package:
    """Say of a package that was built here both what it was built of and what came of it.

    `listed` has what an index says of the source: its `index` and `upload_time`. Raises `RequirementsError` for a wheel
    that the target doesn't load.
    """
    name, version = canonicalize_name(wheel.name), Version(wheel.version)
    headers = HeaderParser().parsestr(wheel.metadata)
    _check_wheel(wheel.filename, name, version, headers["Requires-Python"], request.target)
    needs = headers.get_all("Requires-Dist", [])
    return Package(
        name=name,
        version=version,
        index=listed.get("index") or None,
        tool={TOOL: {"requires-dist": needs, "built": describe_build(source, wheel)}},
        **describe_origin(source, request.entry, direct=direct, listed=listed),
    )


def _check_wheel(filename: str, name: str, version: Version, requires_python: str | None, target: Target) -> None:
    problem = None
    if not filename.endswith(".whl"):
        problem = "is not a wheel"
    elif parse_wheel_filename(filename)[:2] != (name, version):
        problem = f"is not {name} {version}"
    elif not target.accepts_wheel(filename):
        problem = f"has no tag that {target} loads"
    elif not target.accepts_python(requires_python):
        problem = f"requires Python {requires_python}"
    if problem:
        raise RequirementsError(f"pip chose {filename} for {target}, but it {problem}; nothing is packaged from it.")


def _hash_local(url: str, filename: str) -> str:
    if not url.startswith("file:"):
        raise RequirementsError(
            f"The index gives no sha256 for {filename}, so it can't be told whether a download is the file that was "
            f"resolved. Add '--hash=sha256:…' to its requirement, or use an index that says the hashes (PEP 503)."
        )
    return file_sha256(url)


def make_resolution(
    request: ResolutionRequest, packages: list[Package], result: Result, bare_result: Result
) -> Resolution:
    """Make the resolution of the packages that two runs of pip chose, the second without dependencies.

    Raises `RequirementsError` where something is missing.
    """
    result = {**result, "requirements": [*map(partial(_with_name, result["built"]), result["requirements"])]}
    pylock = _make_pylock(request, packages, [*_applying(result)], [*_applying(bare_result)], result, bare_result)
    _check_closure(pylock, request)
    results = (result, bare_result)
    return Resolution(
        lock=dump_pylock(pylock),
        wheels=select_wheels(pylock, request.target),
        pinned=_is_pinned(request, packages, result, bare_result),
        files=_read_files(results, request),
        findings=tuple(dict.fromkeys(finding for one in results for finding in _find_findings(one, packages))),
    )


def _with_name(built: Built, row: dict[str, Any]) -> dict[str, Any]:
    """Name a requirement that is only a path or a URL by what was built of it."""
    found = find_built(built, row["url"]) if row["applies"] and not row["name"] else None
    return {**row, "name": found[1].name} if found else row


def _is_pinned(request: ResolutionRequest, packages: list[Package], result: Result, bare_result: Result) -> bool:
    if bare_result["install"]:
        return False
    return bool(result.get("require_hashes", True)) or _are_local(packages, request)


def _are_local(packages: Iterable[Package], request: ResolutionRequest) -> bool:
    """Tell whether all packages are wheels of vendor/ or local projects, which are inputs themselves."""
    local = {canonicalize_name(line.partition("@")[0].strip()) for line in request.extra if " @ file:" in line}
    return {package.name for package in packages if package.directory is None} <= local


def _applying(result: Result) -> Iterable[dict[str, Any]]:
    for row in result["requirements"]:
        if row["applies"]:
            yield row


def _make_pylock(
    request: ResolutionRequest,
    packages: list[Package],
    direct: list[dict[str, Any]],
    bare: list[dict[str, Any]],
    *results: Result,
) -> Pylock:
    pip = next((one["pip"] for one in results if "pip" in one), None)
    tool = {
        "target": str(request.target),
        "requirements": [_describe_requirement(row, request.entry) for row in (*direct, *bare)],
        "bare": [row["name"] for row in bare],
        "provided": [canonicalize_name(name) for name in request.provided],
        **({"pip": pip} if pip else {}),
    }
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by=TOOL,
        packages=sorted(packages, key=lambda package: package.name),
        tool={TOOL: tool},
    )
    pylock.validate()
    return pylock


def _describe_requirement(row: Result, entry: Path) -> dict[str, Any]:
    place = find_place(row["comes_from"], entry)
    name = row["name"] or canonicalize_name(parse_wheel_filename(unquote(urlsplit(row["url"]).path.rsplit("/")[-1]))[0])
    described = {"name": name, "requirement": row["requirement"], "extras": row["extras"], "marker": row["marker"]}
    if place:
        described |= {"file": place[0], "line": place[1]}
    return {key: value for key, value in described.items() if value}


def _check_closure(pylock: Pylock, request: ResolutionRequest) -> None:
    """Refuse a result in which a dependency whose marker holds on the target is missing."""
    tool = (pylock.tool or {})[TOOL]
    dependencies = trace_dependencies(
        [(row["name"], row.get("extras", ())) for row in tool["requirements"] if row["name"] not in tool["bare"]],
        versions={package.name: package.version for package in pylock.packages if package.version},
        requires_dist={package.name: (package.tool or {})[TOOL]["requires-dist"] for package in pylock.packages},
        provided=tool["provided"],
        target=request.target,
    )
    missing = {row["name"] for row in tool["requirements"]} - {package.name for package in pylock.packages}
    unmet = [*dependencies.unmet, *(f"{name} is required, but missing" for name in sorted(missing))]
    if unmet:
        raise RequirementsError(
            f"What pip {tool.get('pip')} chose for {request.target} isn't complete, so nothing is packaged: "
            + "; ".join(unmet)
        )


def _read_files(results: Iterable[Result], request: ResolutionRequest) -> tuple[tuple[str, str | None], ...]:
    entry = request.entry
    files = {
        name if re.match(r"(https?|file):", name) else relative_to_entry(Path(name), entry): digest
        for result in results
        for name, digest in (*result["files"], *result["configuration"])
    }
    sources = [source for result in results for source, _ in result.get("built", {}).values()]
    # The slash tells a project's digest from a file's.
    files |= {f"{relative_to_entry(one.path, entry)}/": one.digest for one in sources if one.kind == "directory"}
    return tuple(sorted(files.items()))


def _find_findings(result: Result, packages: Iterable[Package]) -> Iterable[Finding]:
    chosen = {(package.name, str(package.version)) for package in packages}
    for _, wheel in result.get("built", {}).values():
        if (wheel.name, wheel.version) in chosen:
            yield from wheel.findings
    for text in result["messages"]:
        if match := re.search(r"yanked version: '(.+?)' candidate \(version (\S+) at ", text):
            message = f"{match[1]} {match[2]} was yanked: its maintainers advise against it. Require another version."
            yield Finding(id="yanked-release", severity=Severity.WARNING, message=message, subject=match[1])
        if " does not provide the extra " in text:
            yield Finding(id="unknown-extra", severity=Severity.WARNING, message=f"{text}; nothing was added for it.")
    for host in find_untrusted(result["messages"]):
        yield Finding(
            id="index-not-read", severity=Severity.WARNING, message=f"{explain_untrusted(host)}.", subject=host
        )
    for row in result["unreachable"]:
        message = f"{row['url']} couldn't be read ({row['reason']}), so nothing from there was considered."
        yield Finding(id="index-not-read", severity=Severity.WARNING, message=message, subject=row["url"])
