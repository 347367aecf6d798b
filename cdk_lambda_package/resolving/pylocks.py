"""Locks (PEP 751) as values: made of what pip chose, and the wheels in them for a target."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC
from email.parser import HeaderParser
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast
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
from packaging.version import Version

from cdk_lambda_package.building import (
    Built,
    BuiltWheel,
    Source,
    describe_build,
    describe_origin,
    read_upload_time,
    source_inputs,
)
from cdk_lambda_package.errors import (
    Finding,
    LockError,
    LockTargetError,
    NoWheelError,
    RequirementsError,
    Severity,
    UnsupportedRequirementError,
    shorten,
)
from cdk_lambda_package.requirements import (
    TOOL,
    InputKind,
    LocalInput,
    LockedWheel,
    Resolution,
    ResolutionRequest,
    dump_pylock,
    links_of,
    parse_requirement,
    place_of,
    reachable_names,
    relative_place,
)
from cdk_lambda_package.resolving.errors import explain_untrusted
from cdk_lambda_package.target import UNKNOWABLE_VARIABLES, Target
from cdk_lambda_package.urls import file_sha256, source_key, without_credentials

Result = Mapping[str, Any]

# More is no size of a file.
_MOST_BYTES = 1 << 60


def read_package(row: Result, request: ResolutionRequest, built: Mapping[str, Built] = MappingProxyType({})) -> Package:
    """Turn an item of pip's report into one of the lock; `built` are the wheels of sources, by the sources' keys.

    Raises `RequirementsError` for a file that the target doesn't load.
    """
    url = without_credentials(row["url"])
    filename, direct = _last_part(url), bool(row["is_direct"])
    name, version = canonicalize_name(row["name"]), Version(row["version"])
    if not filename.endswith(".whl"):
        found = [pair for pair in built.values() if (pair[1].name, Version(pair[1].version)) == (name, version)]
        if not found:
            raise RequirementsError(f"pip chose {row['url']}, which wasn't built; nothing is packaged from it.")
        return make_built_package(*found[0], request, direct=direct, listed=row)
    _check_wheel(filename, name, version, row["requires_python"], request.target)
    hashes = {"sha256": row["hashes"].get("sha256") or _hash_local(url, filename)}
    size, time = row.get("size") or None, read_upload_time(row)
    return Package(
        name=name,
        version=version,
        index=row.get("index") or None,
        archive=PackageArchive(url=url, hashes=hashes) if direct else None,
        wheels=None if direct else [PackageWheel(name=filename, url=url, size=size, hashes=hashes, upload_time=time)],
        tool={TOOL: {"requires-dist": list(row["requires_dist"])}},
    )


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
    if parse_wheel_filename(filename)[:2] != (name, version):
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

    A run that wasn't needed has an empty result. Raises `RequirementsError` where something is missing.
    """
    results = (result, bare_result)
    pylock = _make_pylock(request, packages, result, bare_result)
    _check_closure(pylock, request.target)
    return Resolution(
        lock=dump_pylock(pylock),
        wheels=select_wheels(pylock, request.target),
        pinned=not bare_result and (result.get("require_hashes", True) or _are_local(packages, request)),
        inputs=tuple(_inputs(results, request)),
        findings=tuple(dict.fromkeys(finding for one in results for finding in _find_findings(one, packages))),
    )


def _are_local(packages: Iterable[Package], request: ResolutionRequest) -> bool:
    """Tell whether all packages are wheels of vendor/ or local projects, which are inputs themselves."""
    local = {canonicalize_name(line.partition("@")[0].strip()) for line in request.extra if " @ file:" in line}
    return {package.name for package in packages if package.directory is None} <= local


def _make_pylock(request: ResolutionRequest, packages: list[Package], result: Result, bare_result: Result) -> Pylock:
    built = result.get("built", {})
    direct, bare = (
        [_describe_requirement(row, request.entry, built) for row in one.get("requirements", ()) if row["applies"]]
        for one in (result, bare_result)
    )
    pip = result.get("pip") or bare_result.get("pip")
    tool = {
        "target": str(request.target),
        "requirements": [*direct, *bare],
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


def _describe_requirement(row: Result, entry: Path, built: Mapping[str, Built]) -> dict[str, Any]:
    place = place_of(row["comes_from"], entry)
    name = row["name"]
    if name is None:
        # Only a path or a URL was given: what was built of it has a name, or the file's name says it.
        wheel = built.get(source_key(row["url"]))
        name = wheel[1].name if wheel else parse_wheel_filename(_last_part(row["url"]))[0]
    described = {"name": name, "requirement": row["requirement"], "extras": row["extras"], "marker": row["marker"]}
    if place:
        described |= {"file": place[0], "line": place[1]}
    return {key: value for key, value in described.items() if value}


def _check_closure(pylock: Pylock, target: Target) -> None:
    """Refuse a result in which a dependency whose marker holds on the target is missing."""
    tool = (pylock.tool or {})[TOOL]
    missing = {row["name"] for row in tool["requirements"]} - {package.name for package in pylock.packages}
    unmet = [*_trace(tool, pylock.packages, target).unmet]
    unmet += [f"{name} is required, but missing" for name in sorted(missing)]
    if unmet:
        raise RequirementsError(
            f"What pip {tool.get('pip')} chose for {target} isn't complete, so nothing is packaged: {'; '.join(unmet)}"
        )


def _trace(tool: Mapping[str, Any], packages: Iterable[Package], target: Target) -> Dependencies:
    """Follow the dependencies of a lock that was made here; those of bare requirements aren't in it."""
    bare = tool.get("bare", ())
    return trace_dependencies(
        [(row["name"], row.get("extras", ())) for row in tool["requirements"] if row["name"] not in bare],
        packages,
        provided=tool.get("provided", ()),
        target=target,
    )


def _inputs(results: Iterable[Result], request: ResolutionRequest) -> Iterator[LocalInput]:
    """Yield the local files and folders that pip read, but for the wheels that it chose."""
    entry = request.entry
    own = relative_place(request.requirements, entry) if request.requirements else None
    for result in results:
        for name, digest in result.get("files", ()):
            # What is from the network has no digest, and the requirements file is part of the request.
            if digest is not None and relative_place(name, entry) != own:
                yield LocalInput(kind=InputKind.TEXT, place=relative_place(name, entry), digest=digest)
        yield from links_of(result.get("find_links", ()), entry, InputKind.LINKS)
        yield from links_of(result.get("indexes", ()), entry, InputKind.INDEX)
        for source, _ in result.get("built", {}).values():
            yield from source_inputs(source, entry)


def _find_findings(result: Result, packages: Iterable[Package]) -> Iterator[Finding]:
    chosen = {(package.name, str(package.version)) for package in packages}
    for _, wheel in result.get("built", {}).values():
        if (wheel.name, wheel.version) in chosen:
            yield from wheel.findings
    messages = result.get("messages", ())
    for text in messages:
        if match := re.search(r"yanked version: '(.+?)' candidate \(version (\S+) at ", text):
            message = f"{match[1]} {match[2]} was yanked: its maintainers advise against it. Require another version."
            yield _warning("yanked-release", message, match[1])
        # pip ignores it, and so does the check of its result.
        if match := re.match(r"Package '([^']{1,200})' has an invalid Requires-Python: ", text):
            message = (
                f"{match[1]} has an invalid Requires-Python ({shorten(text[match.end() :]).rstrip('.')}). It is ignored, as pip does, "
                "so it isn't known whether it supports the target's Python. Try it, or require another release."
            )
            yield _warning("requires-python-invalid", message, match[1])
        if " does not provide the extra " in text:
            yield _warning("unknown-extra", f"{text}; nothing was added for it.")
    for host, message in explain_untrusted(messages).items():
        yield _warning("index-not-read", f"{message}.", host)
    for row in result.get("unreachable", ()):
        message = f"{row['url']} couldn't be read ({row['reason']}), so nothing from there was considered."
        yield _warning("index-not-read", message, row["url"])


def _warning(name: str, message: str, subject: str | None = None) -> Finding:
    return Finding(id=name, severity=Severity.WARNING, message=message, subject=subject)


Selected = tuple[Package, PackageVcs | PackageDirectory | PackageArchive | PackageSdist | PackageWheel]


def select_wheels(
    pylock: Pylock, target: Target, *, groups: frozenset[str] = frozenset(), extras: frozenset[str] = frozenset()
) -> tuple[LockedWheel, ...]:
    """Return the lock's wheels for the target, with these dependency groups and extras, sorted by name.

    Raises `LockError` where the lock isn't for the target, `NoWheelError` where it has no wheel that the target loads of
    packages, naming them all, and `TargetError` for a marker that can't be evaluated for the target. Sources in the lock
    have to be built before: see `unbuilt`.
    """
    selected = select_files(pylock, target, groups=groups, extras=extras)
    roots, required_by = _find_edges(pylock, [package for package, _ in selected], target)
    wheels = [
        LockedWheel(
            name=package.name,
            requested=package.name in roots,
            required_by=required_by.get(package.name, ()),
            index=package.index or "",
            **_describe_file(package, file),
        )
        for package, file in selected
    ]
    return tuple(sorted(wheels, key=lambda wheel: wheel.name))


def select_files(
    pylock: Pylock, target: Target, *, groups: frozenset[str] = frozenset(), extras: frozenset[str] = frozenset()
) -> list[Selected]:
    """Return the lock's packages for the target, each with what it is to be made of: a wheel if there is one.

    Raises as `select_wheels` does.
    """
    for marker in (*(pylock.environments or ()), *(package.marker for package in pylock.packages)):
        if any(name in str(marker) for name in UNKNOWABLE_VARIABLES):
            # Raises: `packaging` would fill the variable in from this machine.
            target.accepts_marker(marker)
    _refuse_unusable(pylock, target)
    _refuse_without_file(pylock, target, groups, extras)
    try:
        environment = cast(Environment, target.environment)
        return list(pylock.select(environment=environment, tags=target.tags, dependency_groups=groups, extras=extras))
    except PylockSelectError as error:
        raise LockTargetError(f"The lock isn't for {target}: {error}.") from error


def _refuse_unusable(pylock: Pylock, target: Target) -> None:
    """Raise `LockError` for the first package with a marker that can't be evaluated, or a URL that is none."""
    environment: dict[str, Any] = {**target.environment, "dependency_groups": frozenset(), "extras": frozenset()}
    markers = [("environments", marker) for marker in pylock.environments or ()]
    markers += [(package.name, package.marker) for package in pylock.packages if package.marker is not None]
    for owner, marker in markers:
        try:
            marker.evaluate(environment, context="lock_file")
        except (LookupError, ValueError, RecursionError) as error:
            reason = shorten(str(error)).rstrip(".") or "it is nested too deeply"
            if isinstance(error, LookupError):
                reason = f"{reason} isn't a variable of a lock"
            raise LockError(
                f"The marker '{shorten(str(marker))}' of {owner} can't be evaluated: {reason}. A marker of a "
                "lock asks \"'name' in extras\" or \"'name' in dependency_groups\" (PEP 751)."
            ) from error
    for package in pylock.packages:
        files = (package.archive, package.sdist, package.vcs, *(package.wheels or ()))
        for place in (*files, package.directory):
            if place is not None and "\0" in (place.path or ""):
                raise LockError(f"{package.name} has the path {shorten(repr(place.path))}, which no file can have.")
        # A path is taken apart like a URL.
        places = [place for file in files if file is not None for place in (file.url, file.path) if place]
        for url in places:
            try:
                urlsplit(url)
            except ValueError as error:
                raise LockError(f"{package.name} has the URL {shorten(url)!r}, which is invalid: {error}.") from error


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


def _ours(package: Package) -> Mapping[str, Any]:
    ours: Mapping[str, Any] = (package.tool or {}).get(TOOL, {})
    return ours


def unbuilt(selected: Iterable[Selected]) -> list[Selected]:
    """Return the sources among a lock's packages that weren't built here yet."""
    return [
        (package, file)
        for package, file in selected
        if not (isinstance(file, PackageWheel | PackageArchive) and _filename(file).endswith(".whl"))
        and "built" not in _ours(package)
    ]


def _filename(file: PackageWheel | PackageArchive) -> str:
    return file.filename if isinstance(file, PackageWheel) else _last_part(file.url or file.path or "")


def _last_part(url: str) -> str:
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def _describe_file(package: Package, file: Any) -> dict[str, Any]:
    """Return the fields of a wheel that say which file it is: one of the lock, or what was built here."""
    if built := _ours(package).get("built"):
        return {
            "version": str(package.version),
            "filename": built["filename"],
            "url": built["url"],
            "sha256": built["sha256"],
            "direct": package.sdist is None,
            "source": built["source"],
            "upload_time": _upload_time(package.sdist),
            "build_hosts": tuple(built["hosts"]),
        }
    filename = _filename(file)
    _refuse_another(package, filename)
    sha256 = file.hashes.get("sha256")
    if sha256 is None:
        raise UnsupportedRequirementError(
            f"The lock has no sha256 of {filename}, only {', '.join(file.hashes)}; write it again with sha256 hashes."
        )
    return {
        "version": str(package.version or parse_wheel_filename(filename)[1]),
        "filename": filename,
        "url": file.url or file.path or "",
        "sha256": sha256.lower(),
        "direct": isinstance(file, PackageArchive),
        "upload_time": _upload_time(file),
        "size": file.size if file.size and 0 < file.size < _MOST_BYTES else 0,
    }


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
    try:
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()
    except OverflowError:
        # In the first or last day that there is, which no upload was.
        return time.replace(tzinfo=UTC).isoformat()


def _find_edges(
    pylock: Pylock, packages: list[Package], target: Target
) -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
    """Return the names that the app itself requires, and who requires each of the others."""
    ours = (pylock.tool or {}).get(TOOL, {})
    roots = frozenset(row["name"] for row in ours.get("requirements", ()))
    if "requirements" in ours and any("requires-dist" in _ours(package) for package in packages):
        return roots, _trace(ours, packages, target).required_by
    parents: dict[str, set[str]] = {}
    for package in packages:
        for dependency in package.dependencies or ():
            if "name" in dependency:
                parents.setdefault(canonicalize_name(dependency["name"]), set()).add(package.name)
    required_by = {name: tuple(sorted(names)) for name, names in parents.items()}
    if "requirements" not in ours:
        roots = _find_roots([package.name for package in packages], required_by)
    return roots, required_by


def _find_roots(names: Iterable[str], required_by: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Take for required by the app what nothing else requires, and one of each cycle that nothing leads to."""
    names = sorted(names)
    roots = {name for name in names if not required_by.get(name)}
    for name in names:
        if name not in reachable_names(roots, required_by, exclude=()):
            roots.add(name)
    return frozenset(roots)


# A distribution and one of its extras; "" stands for the distribution itself.
_Node = tuple[str, str]


class Dependencies(NamedTuple):
    """The edges between the distributions of a lock.

    `required_by` has, for each distribution, the sorted names of those that need it. `unmet` says for each need that
    the lock doesn't meet who has it and what it is; a lock from a sound resolution has none.
    """

    required_by: Mapping[str, tuple[str, ...]]
    unmet: tuple[str, ...]


def trace_dependencies(
    roots: Iterable[tuple[str, Iterable[str]]],
    packages: Iterable[Package],
    *,
    provided: Collection[str],
    target: Target,
) -> Dependencies:
    """Follow Requires-Dist from the roots, names with their extras, as far as the markers hold on the target."""
    known: dict[str, Package] = {package.name: package for package in packages}
    required_by: dict[str, set[str]] = defaultdict(set)
    unmet: dict[str, None] = {}
    pending = [node for name, extras in roots for node in _nodes(name, extras)]
    seen: set[_Node] = set()
    while pending:
        node = pending.pop()
        if node in seen or node[0] in provided:
            continue
        seen.add(node)
        lines = _ours(known[node[0]]).get("requires-dist", ()) if node[0] in known else ()
        for requirement in (
            parse_requirement(line, f"The METADATA of {node[0]}", kind=RequirementsError) for line in lines
        ):
            name = canonicalize_name(requirement.name)
            if name in provided or not target.accepts_marker(requirement.marker, extra=node[1]):
                continue
            text = f"{node[0]} requires {requirement.name}{requirement.specifier}"
            version = known[name].version if name in known else None
            if version is None:
                unmet[f"{text}, which is missing"] = None
            elif not requirement.specifier.contains(version, prereleases=True):
                unmet[f"{text}, but {requirement.name} {version} was chosen"] = None
            required_by[name].add(node[0])
            pending += _nodes(name, requirement.extras)
    return Dependencies({name: tuple(sorted(names)) for name, names in required_by.items()}, tuple(unmet))


def _nodes(name: str, extras: Iterable[str]) -> list[_Node]:
    name = canonicalize_name(name)
    return [(name, ""), *((name, canonicalize_name(extra)) for extra in extras)]
