"""Resolve requirements for a target with the user's own pip: wheels alone, and where these aren't enough, with sources.

pip's own process runs nothing of a source (see `inside_pip/sources.py`): it says which sources it met, they are built, and it
is asked again. Each round knows the wheels of what the rounds before it met, so the last one resolves with the real
metadata of all wheels. A wheel that the target doesn't load, or a missing dependency, is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from email.parser import HeaderParser
from typing import Any

from packaging.pylock import Package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building import Builder, BuiltWheel, FailedBuild, Source, read_source
from cdk_lambda_package.errors import RequirementsError, UnhashedError
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.requirements import (
    Resolution,
    ResolutionRequest,
    has_requirements,
    project_members,
    refuse_late,
)
from cdk_lambda_package.resolving.errors import explain_unhashed, unhashed_names
from cdk_lambda_package.resolving.pip_run import Known, PipRun, check_result, has_failed, run_pip, start_pip
from cdk_lambda_package.resolving.pylocks import make_resolution, read_package
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256


def resolve(request: ResolutionRequest, *, store: Store | None = None, runner: Runner = run_process) -> Resolution:
    """Return the wheels that the requirements come to on the target; those that have to be built are in the store.

    Raises the kinds of `RequirementsError`, each naming all requirements that it is about.
    """
    try:
        return _resolve(request, store, runner)
    except UnhashedError:
        # pip stops at the first; without the rule, what else would be chosen can be seen.
        result = start_pip(
            dataclasses.replace(_main_run(request), require_hashes=False), entry=request.entry, runner=runner
        )
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
        bare_result = run_pip(_bare_run(request, bare), entry=request.entry, runner=runner)
        packages += [read_package(row, request) for row in bare_result["install"]]
    return make_resolution(request, packages, result, bare_result)


def _resolve_main(request: ResolutionRequest, store: Store | None, runner: Runner) -> dict[str, Any]:
    """Resolve with wheels alone, and where that finds nothing, with sources too."""
    run = _main_run(request)
    result = start_pip(run, entry=request.entry, runner=runner)
    if not has_failed(result) or not (request.allow_build and wants_sources(result)):
        return {**check_result(result, run, request.entry), "built": {}}

    return run_with_sources(run, request, result, store=store or Store.open(), runner=runner)


def run_with_sources(
    run: PipRun,
    request: ResolutionRequest,
    wheels_only: Mapping[str, Any],
    *,
    store: Store,
    runner: Runner = run_process,
) -> dict[str, Any]:
    """Run pip with sources let in, and return its checked result with what was built of them.

    `wheels_only` is what pip said without. Raises `BuildError`, and the kinds of `RequirementsError`.
    """

    def ask(known: Known) -> dict[str, Any]:
        once = dataclasses.replace(run, known=known)
        result = start_pip(once, entry=request.entry, runner=runner)
        refuse_late(result.get("install", ()), request)
        # While there are sources to be built, pip's failure is only that.
        return result if result.get("sources") and has_failed(result) else check_result(result, once, request.entry)

    return resolve_with_sources(request, wheels_only, ask, store=store, runner=runner)


def _main_run(request: ResolutionRequest) -> PipRun:
    return PipRun(
        command="install",
        target=request.target,
        requirements=request.requirements,
        extra=tuple(map(_with_hash, request.extra)),
        provided=request.provided,
        options=request.pip_args,
        variables=request.pip_environment,
        known_metadata=request.known_metadata,
        preferred=request.preferred,
        require_hashes=request.require_hashes or None,
        uploaded_prior_to=request.uploaded_prior_to,
        only_index=request.only_index,
    )


def _bare_run(request: ResolutionRequest, names: tuple[str, ...]) -> PipRun:
    return dataclasses.replace(_main_run(request), extra=(), provided=(), only=names, no_deps=True)


def _missing_names(request: ResolutionRequest, packages: Iterable[Package]) -> tuple[str, ...]:
    known = {package.name for package in packages} | {canonicalize_name(name) for name in request.provided}
    return tuple(line for line in request.bare if canonicalize_name(Requirement(line).name) not in known)


def _with_hash(requirement: str) -> str:
    """Say the hash of a local wheel, without which pip's hash-checking mode wouldn't take it."""
    _, separator, url = requirement.partition(" @ ")
    if not separator or not url.startswith("file:") or "#" in url:
        return requirement
    return f"{requirement}#sha256={file_sha256(url)}"


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


Result = dict[str, Any]

# Sources that only other sources lead to: real chains are shorter.
_MOST_ROUNDS = 25


def wants_sources(result: Mapping[str, Any]) -> bool:
    """Tell whether a resolution of wheels alone failed where one that may build could succeed."""
    rows = (*result.get("requirements", ()), *result.get("refused", ()))
    if result.get("no_binary") or any(row["applies"] and row["form"] not in ("index", "wheel") for row in rows):
        return all(row["applies"] is not None for row in rows)
    links = (link for rows in result.get("links", {}).values() for link in rows)
    return not result.get("unreachable") and any(link["detail"].startswith("No sources permitted") for link in links)


def resolve_with_sources(
    request: ResolutionRequest,
    wheels_only: Mapping[str, Any],
    ask: Callable[[Known], Result],
    *,
    store: Store,
    runner: Runner,
) -> Result:
    """Return pip's result, with all sources in it built; `ask` runs pip, `wheels_only` is what it said before.

    The result's `built` has the wheels by their sources' keys. Raises `BuildError` naming every source of which no
    wheel can be built that the target loads.
    """
    with store.workspace() as workspace:
        known = Known(workspace=workspace)
        for _ in range(_MOST_ROUNDS):
            result = ask(known)
            met = [row for row in _find_needed(result) if row["key"] not in known.built]
            built = build_all(met, request, known, store=store, runner=runner, links=wheels_only.get("links", {}))
            known = _learn(known, built)
            result["install"] = _find_settled(result, built, request.target)
            if result["install"] is not None:
                return {**result, "built": dict(known.built)}
    raise RequirementsError(f"The sources of {request.requirements} lead to ever more sources; nothing is packaged.")


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
) -> dict[str, tuple[Source, BuiltWheel]]:
    """Build the sources that pip met, and return them with their wheels by key; `links` are what indexes have, by name.

    Raises `BuildError` naming every source of which no wheel can be built that the target loads.
    """
    sources = {row["key"]: read_source(row, store) for row in met}
    if not sources:
        return {}
    # Imported here: most resolutions build nothing.
    from cdk_lambda_package.resolving.errors import explain_failed_builds

    builder = Builder(request, store, (known.index_options, known.network_options), runner)
    outcomes = {key: (source, builder.build(source)) for key, source in sources.items()}
    failures = [outcome for _, outcome in outcomes.values() if isinstance(outcome, FailedBuild)]
    if failures:
        raise explain_failed_builds(failures, request, links)
    return {key: (source, wheel) for key, (source, wheel) in outcomes.items() if isinstance(wheel, BuiltWheel)}


def _find_settled(
    result: Mapping[str, Any], built: Mapping[str, tuple[Source, BuiltWheel]], target: Target
) -> list[dict[str, Any]] | None:
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


def _learn(known: Known, built: Mapping[str, tuple[Source, BuiltWheel]]) -> Known:
    everything = {**known.built, **built}
    projects = [source.path for source, _ in everything.values() if source.kind == "directory"]
    return Known(workspace=known.workspace, built=everything, members=project_members(projects))
