"""Build sources that are known exactly, as locks name them: by URL and hash, by commit, or by their place.

pip fetches them with the user's index options and passwords, and runs nothing of theirs; each is then built apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building.build_outcomes import BuiltWheel
from cdk_lambda_package.building.sources import PinnedSource, Source
from cdk_lambda_package.errors import HashMismatchError, RequirementsError, UnsupportedRequirementError
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.resolving.fetch import instead_of_unknown
from cdk_lambda_package.resolving.resolve import PipRun, check_result, has_failed, start_pip
from cdk_lambda_package.resolving.source_resolution import Known, build_all
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import file_sha256, source_key

Built = tuple[Source, BuiltWheel]


def build_pinned(
    sources: Sequence[PinnedSource],
    request: ResolutionRequest,
    *,
    store: Store,
    runner: Runner = run_process,
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
                rows = _fetch(group, request, known, runner, full_urls or {})
                _verify(rows)
                built = build_all(rows.values(), request, known, store=store, runner=runner, links={})
            found |= {source: built[row["key"]] for source, row in rows.items()}
    for source, (_, wheel) in found.items():
        _check_identity(source, wheel)
    return found


def _fetch(
    sources: Sequence[PinnedSource], request: ResolutionRequest, known: Known, runner: Runner, full: Mapping[str, str]
) -> dict[PinnedSource, Mapping[str, Any]]:
    """Have pip fetch the sources, by URL, and where that fails by name; return what it wrote down about each."""

    def ask(lines: Iterable[str]) -> dict[PinnedSource, Mapping[str, Any]]:
        mode = ("--require-hashes",) if sources[0].sha256 else ()
        return _ask((*mode, *lines), request, known, runner, _matching(sources))

    if all(source.url or source.sha256 for source in sources):
        # Known exactly, whenever it was uploaded.
        request = dataclasses.replace(request, uploaded_prior_to=None)
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
    lines: tuple[str, ...],
    request: ResolutionRequest,
    known: Known,
    runner: Runner,
    match: Callable[[Mapping[str, Any]], PinnedSource | None],
) -> dict[PinnedSource, Mapping[str, Any]]:
    run = PipRun(
        command="install",
        target=request.target,
        requirements=request.requirements,
        only=lines,
        options=request.pip_args,
        variables=request.pip_environment,
        no_deps=True,
        hashes_only=True,
        known=known,
        uploaded_prior_to=request.uploaded_prior_to,
        only_index=request.only_index,
    )
    result = start_pip(run, entry=request.entry, runner=runner)
    # pip stops where something is to be built, which is no failure.
    if has_failed(result) and result.get("error", {}).get("type") != "NeedsBuild":
        check_result(result, run, request.entry)
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
