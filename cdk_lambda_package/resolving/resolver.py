"""Resolve requirements for a target with the user's own pip: wheels alone, and where these aren't enough, with sources.

A lock's sources, which are known exactly, are built here too (`build_pinned`).

pip's own process runs nothing of a source (see `inside_pip/sources.py`): it says which sources it met, they are built, and it
is asked again. Each round knows the wheels of what the rounds before it met, so the last one resolves with the real
metadata of all wheels. A wheel that the target doesn't load, or a missing dependency, is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.pylock import Package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building import (
    DOCKER_VARIABLE,
    Builder,
    Built,
    BuiltWheel,
    FailedBuild,
    PinnedSource,
    read_source,
)
from cdk_lambda_package.errors import (
    BuildError,
    HashMismatchError,
    RequirementsError,
    UnhashedError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.requirements import (
    Resolution,
    ResolutionRequest,
    has_requirements,
    place_of,
    refuse_late,
)
from cdk_lambda_package.resolving.errors import WHEELS_ELSEWHERE, explain_unhashed, read_index_files, unhashed_names
from cdk_lambda_package.resolving.pip_run import (
    PipRun,
    check_result,
    has_failed,
    instead_of_unknown,
    run_pip,
    start_pip,
)
from cdk_lambda_package.resolving.projects import project_members
from cdk_lambda_package.resolving.pylocks import make_resolution, read_package
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, source_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What pip is to be told: the wheels `built` of sources by the source's key, and projects that are `members`."""

    workspace: Path
    built: Mapping[str, Built] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)

    @property
    def index_options(self) -> Path:
        """The file for the index options that the user's settings come to."""
        return self.workspace / "index-options.txt"

    @property
    def network_options(self) -> Path:
        """The file for the network options, as environment variables of pip's."""
        return self.workspace / "network-options.json"

    def as_job(self) -> dict[str, Any]:
        """Return it as `inside_pip/sources.py` reads it."""
        return {
            "workspace": str(self.workspace),
            "index_options": str(self.index_options),
            "network_options": str(self.network_options),
            "members": {name: path.as_uri() for name, path in self.members.items()},
            "built": {
                key: {
                    "name": wheel.name,
                    "filename": wheel.filename,
                    "metadata": wheel.metadata,
                    "path": str(source.path),
                }
                for key, (source, wheel) in self.built.items()
            },
        }


def resolve(request: ResolutionRequest, *, store: Store | None = None, runner: Runner = run_process) -> Resolution:
    """Return the wheels that the requirements come to on the target; those that have to be built are in the store.

    Raises the kinds of `RequirementsError`, each naming all requirements that it is about.
    """
    try:
        return _resolve(request, store, runner)
    except UnhashedError:
        # pip stops at the first; without the rule, what else would be chosen can be seen.
        result = start_pip(PipRun(request=request, unhashed=True), runner)
        if has_failed(result):
            raise
        raise explain_unhashed(unhashed_names(result, request.bare), request) from None


def _resolve(request: ResolutionRequest, store: Store | None, runner: Runner) -> Resolution:
    result = _empty_result()
    if request.extra or (request.requirements is not None and has_requirements(request.requirements)):
        result = _resolve_main(request, store, runner)
    packages = [read_package(row, request, result["built"]) for row in result["install"]]
    bare = _missing_names(request, packages)
    bare_result = _empty_result()
    if bare:
        bare_result = run_pip(PipRun(request=request, only=bare, no_deps=True), runner)
        packages += [read_package(row, request) for row in bare_result["install"]]
    return make_resolution(request, packages, result, bare_result)


def _resolve_main(request: ResolutionRequest, store: Store | None, runner: Runner) -> dict[str, Any]:
    """Resolve with wheels alone, and where that finds nothing, with sources too."""
    run = PipRun(request=request)
    result = start_pip(run, runner)
    if not has_failed(result) or not (request.allow_build and wants_sources(result)):
        return {**check_result(result, run), "built": {}}
    return run_with_sources(run, result, store=store or Store.open(), runner=runner)


def run_with_sources(
    run: PipRun, wheels_only: Mapping[str, Any], *, store: Store, runner: Runner = run_process
) -> dict[str, Any]:
    """Run pip with sources let in, and return its checked result with what was built of them.

    `wheels_only` is what pip said without. The result's `built` has the wheels by their sources' keys. Raises `BuildError`
    naming every source of which no wheel can be built that the target loads, and the kinds of `RequirementsError`.
    """
    request = run.request
    with store.workspace() as workspace:
        known = Known(workspace=workspace)
        for _ in range(_MOST_ROUNDS):
            once = dataclasses.replace(run, sources=known.as_job())
            result = start_pip(once, runner)
            refuse_late(result.get("install", ()), request)
            # While there are sources to be built, pip's failure is only that.
            if not (result.get("sources") and has_failed(result)):
                check_result(result, once)
            met = [row for row in _find_needed(result) if row["key"] not in known.built]
            built = build_all(met, request, known, store=store, runner=runner, links=wheels_only.get("links", {}))
            known = _learn(known, built)
            result["install"] = _find_settled(result, built, request.target)
            if result["install"] is not None:
                return {**result, "built": dict(known.built)}
    raise RequirementsError(f"The sources of {request.requirements} lead to ever more sources; nothing is packaged.")


def _missing_names(request: ResolutionRequest, packages: Iterable[Package]) -> tuple[str, ...]:
    known = {package.name for package in packages} | {canonicalize_name(name) for name in request.provided}
    return tuple(line for line in request.bare if canonicalize_name(Requirement(line).name) not in known)


def _empty_result() -> dict[str, Any]:
    return {
        "built": {},
        "install": [],
        "requirements": [],
        "files": [],
        "configuration": [],
        "messages": [],
        "unreachable": [],
    }


# Sources that only other sources lead to: real chains are shorter.
_MOST_ROUNDS = 25


def wants_sources(result: Mapping[str, Any]) -> bool:
    """Tell whether a resolution of wheels alone failed where one that may build could succeed."""
    rows = (*result.get("requirements", ()), *result.get("refused", ()))
    if result.get("no_binary") or any(row["applies"] and row["form"] not in ("index", "wheel") for row in rows):
        return all(row["applies"] is not None for row in rows)
    links = (link for rows in result.get("links", {}).values() for link in rows)
    return not result.get("unreachable") and any(link["detail"].startswith("No sources permitted") for link in links)


def _find_needed(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources that have to be built: where pip came to an end, not those that it considered on the way."""
    rows: list[Mapping[str, Any]] = list(result.get("sources", ()))
    if result["status"] != 0:
        return rows
    chosen = {(canonicalize_name(row["name"]), Version(row["version"])) for row in result["install"]}
    return [row for row in rows if (row["name"], Version(row["version"])) in chosen]


def build_all(
    met: Iterable[Mapping[str, Any]],
    request: ResolutionRequest,
    known: Known,
    *,
    store: Store,
    runner: Runner,
    links: Mapping[str, Any],
) -> dict[str, Built]:
    """Build the sources that pip met, and return them with their wheels by key; `links` are what indexes have, by name.

    Raises `BuildError` naming every source of which no wheel can be built that the target loads.
    """
    sources = {row["key"]: read_source(row, store) for row in met}
    if not sources:
        return {}
    builder = Builder(request, store, (known.index_options, known.network_options), runner)
    outcomes = {key: (source, builder.build(source)) for key, source in sources.items()}
    failures = [outcome for _, outcome in outcomes.values() if isinstance(outcome, FailedBuild)]
    if failures:
        raise _explain_failed_builds(failures, request, links)
    return {key: (source, wheel) for key, (source, wheel) in outcomes.items() if isinstance(wheel, BuiltWheel)}


def _find_settled(result: Mapping[str, Any], built: Mapping[str, Built], target: Target) -> list[dict[str, Any]] | None:
    """Return what pip chose if what was built since leaves nothing to ask; else None, and pip is asked again.

    pip chose with stand-ins that need nothing. If the wheels need nothing either, it would choose the same again.
    """
    wheels = {(wheel.name, Version(wheel.version)): wheel for _, wheel in built.values()}
    rows = []
    for row in result.get("install", ()) if result["status"] == 0 else ():
        wheel = wheels.pop((canonicalize_name(row["name"]), Version(row["version"])), None)
        headers = HeaderParser().parsestr(wheel.metadata if wheel else "")
        if {"Requires-Dist", "Provides-Extra"} & set(headers) or not target.accepts_python(headers["Requires-Python"]):
            return None
        rows.append({**row, "requires_python": headers["Requires-Python"]} if wheel else row)
    return rows if result["status"] == 0 and not wheels else None


def _learn(known: Known, built: Mapping[str, Built]) -> Known:
    everything = {**known.built, **built}
    projects = [source.path for source, _ in everything.values() if source.kind == "directory"]
    return Known(workspace=known.workspace, built=everything, members=project_members(projects))


def build_pinned(
    sources: Sequence[PinnedSource],
    request: ResolutionRequest,
    *,
    store: Store,
    full_urls: Mapping[str, str] | None = None,
) -> dict[PinnedSource, Built]:
    """Return what was built of each source; archives are compared with their hashes before.

    `full_urls` are the URLs to fetch from where the source's own were rid of credentials. Raises
    `UnsupportedRequirementError` for a request that allows no build, `HashMismatchError`, `BuildError` for all of which
    nothing can be built that the target loads, and the kinds of `RequirementsError` for what can't be fetched.
    """
    if sources and not request.allow_build:
        names = ", ".join(sorted(source.title for source in sources))
        raise UnsupportedRequirementError(
            f"{names} would have to be built for {request.target}, but allow_build is False: set it to True, lock "
            "versions that have wheels, or put the built packages into vendor/."
        )
    found: dict[PinnedSource, Built] = {}
    # pip takes neither directories nor checkouts in hash-checking mode.
    for group in ([one for one in sources if one.sha256], [one for one in sources if not one.sha256]):
        if group:
            with store.workspace() as workspace:
                known = Known(workspace=workspace)
                rows = _fetch(group, request, known, full_urls or {})
                _verify(rows)
                built = build_all(rows.values(), request, known, store=store, runner=run_process, links={})
            found |= {source: built[row["key"]] for source, row in rows.items()}
    for source, (_, wheel) in found.items():
        _check_identity(source, wheel)
    return found


def _fetch(
    sources: Sequence[PinnedSource], request: ResolutionRequest, known: Known, full: Mapping[str, str]
) -> dict[PinnedSource, Mapping[str, Any]]:
    """Have pip fetch the sources, by URL, and where that fails by name; return what it wrote down about each."""

    def ask(lines: Iterable[str]) -> dict[PinnedSource, Mapping[str, Any]]:
        mode = ("--require-hashes",) if sources[0].sha256 else ()
        # What is known exactly may have been uploaded at any time.
        exact = all(source.url or source.sha256 for source in sources)
        run = PipRun(
            request=request,
            only=(*mode, *lines),
            no_deps=True,
            hashes_only=True,
            any_time=exact,
            sources=known.as_job(),
        )
        return _ask(run, _matching(sources))

    places = [dataclasses.replace(source, url=full.get(source.url, source.url)) for source in sources]
    try:
        return ask(place.line(by_url=True) for place in places)
    except HashMismatchError:
        raise
    except RequirementsError as error:
        if not all(source.version and source.sha256 for source in sources):
            raise
        # Some indexes give each link a password of its own, which no lock keeps.
        with instead_of_unknown(error):
            return ask(place.line(by_url=False) for place in places)


def _matching(sources: Sequence[PinnedSource]) -> Callable[[Mapping[str, Any]], PinnedSource | None]:
    by_key = {source_key(source.url): source for source in sources}
    by_name = {canonicalize_name(source.name): source for source in sources if source.name}
    return lambda row: by_key.get(row["key"]) or by_name.get(row["name"])


def _ask(
    run: PipRun, match: Callable[[Mapping[str, Any]], PinnedSource | None]
) -> dict[PinnedSource, Mapping[str, Any]]:
    result, lines = start_pip(run), run.only
    # pip stops where something is to be built, which is no failure.
    if has_failed(result) and result.get("error", {}).get("type") != "NeedsBuild":
        check_result(result, run)
    rows = {source: row for row in result.get("sources", ()) if (source := match(row)) is not None}
    if len(rows) < len(lines) - lines.count("--require-hashes"):
        raise RequirementsError(f"pip fetched only {len(rows)} of the sources {', '.join(lines)}; lock again.")
    return rows


def _verify(rows: Mapping[PinnedSource, Mapping[str, Any]]) -> None:
    """Compare what was fetched with the hashes, before anything of it runs."""
    for source, row in rows.items():
        actual = file_sha256(Path(row["path"]).as_uri()) if source.sha256 else ""
        if actual != source.sha256:
            raise HashMismatchError(
                f"{source.url} isn't the file that is locked: expected sha256 {source.sha256}, got {actual}. Find out "
                "who changed it; if the change is wanted, lock again."
            )


def _check_identity(source: PinnedSource, wheel: BuiltWheel) -> None:
    same_name = not source.name or canonicalize_name(source.name) == wheel.name
    if not same_name or (source.version and Version(source.version) != Version(wheel.version)):
        raise RequirementsError(
            f"What was built of {source.url} is {wheel.name} {wheel.version}, not {source.title}; nothing is packaged "
            "from it. Lock again."
        )


Links = Mapping[str, Iterable[Mapping[str, Any]]]


def _explain_failed_builds(failures: Sequence[FailedBuild], request: ResolutionRequest, links: Links) -> BuildError:
    """Return one error for all sources of which nothing could be built; `links` are what indexes have, by name."""
    lines = [_describe_failed(failure, request, links) for failure in failures]
    if len(lines) == 1:
        return BuildError(lines[0])
    packages = "\n".join(f"  - {line}" for line in lines)
    return BuildError(f"{len(lines)} packages can't be built for {request.target}:\n{packages}")


def _describe_failed(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
    source = failure.source
    place = place_of(source.comes_from, request.entry)
    prefix = f"{place[0]}:{place[1]}: " if place else ""
    unnamed = source.name.startswith("unbuilt-")
    known = "" if source.version == "0" else f" {source.version}"
    what = source.title if unnamed else f"{source.name}{known} has no wheel for {request.target}, and {source.title}"
    return f"{prefix}{what} {failure.reason}\n    {_ways_out_of_failure(failure, request, links)}"


def _ways_out_of_failure(failure: FailedBuild, request: ResolutionRequest, links: Links) -> str:
    source, ways = failure.source, []
    files = read_index_files(source.name, links.get(source.name, ()))
    wheels = [file.version for file in files if file.is_wheel and not file.tags.isdisjoint(request.target.tags)]
    if wheels:
        ways.append(f"require a version that has a wheel for it (the newest is {max(wheels)})")
    elif source.kind == "archive":
        ways.append("require a version that has a wheel for it, if there is one")
    if other := WHEELS_ELSEWHERE.get(source.name):
        ways.append(f"require {other}, the same with wheels")
    ways.append("put the package, built for the target, into vendor/")
    if request.build_image is None:
        ways.append(f"build it in an image of {request.target}, set by packaging=Packaging(build_image=…) (it needs a "
                    f"container command: docker, or the one in ${DOCKER_VARIABLE})")  # fmt: skip
    return f"Either {', or '.join(ways)}."
