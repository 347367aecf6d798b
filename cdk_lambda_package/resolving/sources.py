"""Sources in a resolution: pip says which it met, they are built, and pip is asked again with what came of them.

pip's own process runs nothing of a source (see `inside_pip/sources.py`). Each round knows the wheels of what the rounds
before it met, so the last one resolves with the real metadata of all wheels. Nothing of a source that a lock pins is run
before its sha256 was compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from email.parser import HeaderParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building import (
    DOCKER_VARIABLE,
    Builder,
    Built,
    BuiltWheel,
    FailedBuild,
    PinnedSource,
    Source,
    read_source,
)
from cdk_lambda_package.errors import (
    BuildError,
    HashMismatchError,
    RequirementsError,
    UnsupportedRequirementError,
    join_problems,
)
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import ResolutionRequest, refuse_late
from cdk_lambda_package.resolving.errors import place_prefix, read_index_files, suggest_omission_of, ways_out
from cdk_lambda_package.resolving.pip_run import (
    PipRun,
    by_url_or_name,
    check_result,
    has_failed,
    pinned_line,
    start_pip,
)
from cdk_lambda_package.resolving.projects import project_members
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, source_key

Result = Mapping[str, Any]

# Sources that only other sources lead to: real chains are shorter.
_MOST_ROUNDS = 25

# pip's words for where a requirement of a requirement comes from.
_PARENT = re.compile(r"(\w[\w.-]*)\S* from ")


def _sources_job(workspace: Path, built: Mapping[str, Built]) -> dict[str, Any]:
    """Return what `inside_pip/sources.py` is to know: where it puts what it fetches, and what was built so far."""
    members = project_members(source.path for source, _ in built.values() if source.kind == "directory")
    return {
        "workspace": str(workspace),
        "members": {name: path.as_uri() for name, path in members.items()},
        "built": {
            key: {"name": wheel.name, "filename": wheel.filename, "metadata": wheel.metadata, "path": str(source.path)}
            for key, (source, wheel) in built.items()
        },
    }


def wants_sources(result: Result) -> bool:
    """Tell whether a resolution of wheels alone failed where one that may build could succeed."""
    rows = (*result.get("requirements", ()), *result.get("refused", ()))
    if result.get("no_binary") or any(row["applies"] and row["form"] not in ("index", "wheel") for row in rows):
        return all(row["applies"] is not None for row in rows)
    links = (link for rows in result.get("links", {}).values() for link in rows)
    return not result.get("unreachable") and any(link["detail"].startswith("No sources permitted") for link in links)


def run_with_sources(
    run: PipRun, *, store: Store, runner: Runner = run_process, links: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Run pip with sources let in, and return its checked result with all sources in it built.

    The result's `built` has the wheels by their sources' keys. `links` are the files that indexes have, by name. Raises
    `BuildError` naming every source of which no wheel can be built that the target loads, and the kinds of
    `RequirementsError`.
    """
    request = run.request
    with store.workspace() as workspace:
        built: dict[str, Built] = {}
        for _ in range(_MOST_ROUNDS):
            once = replace(run, sources=_sources_job(workspace, built))
            result = start_pip(once, store, runner)
            refuse_late(result.get("install", ()), request)
            rows = [row for row in _needed(result) if row["key"] not in built]
            if not rows or not has_failed(result):
                # While there are sources to be built, pip's failure is only that.
                check_result(result, once)
            builder = Builder(request, store, result["settings"], runner, run.progress) if rows else None
            new = _build_all(rows, builder, store, links) if builder else {}
            built |= new
            if not has_failed(result) and all(
                _is_as_chosen(wheel, result, request.target) for _, wheel in new.values()
            ):
                return {name: value for name, value in result.items() if name != "settings"} | {"built": built}
    raise RequirementsError(f"The sources of {request.requirements} lead to ever more sources; nothing is packaged.")


def _needed(result: Result) -> list[Result]:
    """Return the sources that have to be built: where pip came to an end, not those that it considered on the way."""
    rows: list[Result] = list(result.get("sources", ()))
    if result["status"] != 0:
        return rows
    return [row for row in rows if _is_chosen(row["name"], row["version"], result)]


def _is_chosen(name: str, version: str, result: Result) -> bool:
    chosen = {(str(canonicalize_name(row["name"])), Version(row["version"])) for row in result["install"]}
    return (name, Version(version)) in chosen


def _is_as_chosen(wheel: BuiltWheel, result: Result, target: Target) -> bool:
    """Tell whether pip, which chose with a stand-in that needs nothing, would choose the same again with the wheel."""
    headers = HeaderParser().parsestr(wheel.metadata)
    needs_nothing = {"Requires-Dist", "Provides-Extra"}.isdisjoint(headers)
    fits = needs_nothing and target.accepts_python(headers["Requires-Python"])
    return fits and _is_chosen(wheel.name, wheel.version, result)


def _build_all(rows: Iterable[Result], builder: Builder, store: Store, links: Mapping[str, Any]) -> dict[str, Built]:
    """Build the sources that pip met, and return them with their wheels by key.

    Raises `BuildError` naming every source of which no wheel can be built that the target loads.
    """
    built: dict[str, Built] = {}
    failures = []
    for source in {row["key"]: read_source(row, builder.request, store) for row in rows}.values():
        outcome = builder.build(source)
        if isinstance(outcome, BuiltWheel):
            built[source.key] = (source, outcome)
        else:
            failures.append(_describe_failure(source, outcome, builder.request, links))
    if failures:
        raise BuildError(
            join_problems(failures, f"{len(failures)} packages can't be built for {builder.request.target}:")
        )
    return built


def _describe_failure(source: Source, failed: FailedBuild, request: ResolutionRequest, links: Mapping[str, Any]) -> str:
    """Say of a source why no wheel could be built, and what to do about it."""
    what, parent = source.title, _PARENT.match(source.comes_from or "")
    if not source.name.startswith("unbuilt-"):
        version = "" if source.version == "0" else f" {source.version}"
        by = f", which {parent[1]} requires," if parent else ""
        what = f"{source.name}{version}{by} has no wheel for {request.target}, and {what}"
    further = [f"require another release of {parent[1]}"] if parent else []
    if request.build_image is None:
        further.append(
            f"build it in an image of {request.target}, set by packaging=Packaging(build_image=…) (it needs a "
            f"container command: docker, or the one in ${DOCKER_VARIABLE})"
        )
    files = read_index_files(source.name, links.get(source.name, ()))
    place = place_prefix(source.comes_from, request.entry)
    omission = [] if source.for_linux else suggest_omission_of(source.name, source.version, files, direct=bool(place))
    after = Version(source.version) if source.version not in ("", "0") else None
    ways = ways_out(source.name, files, *further, first=omission, after=after)
    cures = "".join(f"\n    Probable cure: {cure}." for cure in failed.cures)
    return f"{place}{what} {failed.reason}{cures}\n    {ways}."


def build_pinned(
    sources: Sequence[PinnedSource],
    request: ResolutionRequest,
    *,
    store: Store,
    full_urls: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = QUIET,
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
                run = PipRun(request=request, hashes_only=True, sources=_sources_job(workspace, {}), progress=progress)
                with progress.step("downloading", total=len(group), unit="sources"):
                    rows, settings = _fetch(group, run, full_urls, store)
                _verify(rows)
                builder = Builder(request, store, settings, run_process, progress)
                built = _build_all(rows.values(), builder, store, {})
            found |= {source: built[row["key"]] for source, row in rows.items()}
    for source, (_, wheel) in found.items():
        _check_identity(source, wheel)
    return found


def _fetch(
    sources: Sequence[PinnedSource], run: PipRun, full_urls: Mapping[str, str], store: Store
) -> tuple[dict[PinnedSource, Result], Mapping[str, str]]:
    """Have pip fetch the sources, by URL, and where that fails by name; return what it wrote down about each, and its settings."""
    places = [replace(source, url=full_urls.get(source.url, source.url)) for source in sources]
    mode = ("--require-hashes",) if sources[0].sha256 else ()
    by_key = {source_key(source.url): source for source in sources}
    by_name = {canonicalize_name(source.name): source for source in sources if source.name}

    def ask(*, by_url: bool) -> tuple[dict[PinnedSource, Result], Mapping[str, str]]:
        lines = [pinned_line(one.name, one.version, one.url, one.sha256, by_url=by_url) for one in places]
        once = replace(run, only=(*mode, *lines))
        result = start_pip(once, store)
        # pip stops where something is to be built, which is no failure.
        if has_failed(result) and result.get("error", {}).get("type") != "NeedsBuild":
            check_result(result, once)
        pairs = ((by_key.get(row["key"]) or by_name.get(row["name"]), row) for row in result.get("sources", ()))
        rows = {source: row for source, row in pairs if source is not None}
        if len(rows) < len(lines):
            raise RequirementsError(f"pip fetched only {len(rows)} of the sources {', '.join(lines)}; lock again.")
        return rows, result["settings"]

    return by_url_or_name(ask, named=all(source.version and source.sha256 for source in sources))


def _verify(rows: Mapping[PinnedSource, Result]) -> None:
    """Compare what was fetched with the hashes, before anything of it runs."""
    for source, row in rows.items():
        if source.sha256 and (actual := file_sha256(Path(row["path"]))) != source.sha256:
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
