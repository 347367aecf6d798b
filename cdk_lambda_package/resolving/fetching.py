"""Fetch a lock's wheels into the store, each once and each verified; and build the sources in it, which are known exactly.

pip downloads, with the user's own index options and passwords: by the lock's URLs, and where these alone aren't enough, by
`name==version --hash=…`. Files on this machine are copied. Nothing is in the store, and nothing of a source is run, before
its sha256 was compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.building import WHEELS, BuiltWheel, PinnedSource, Source
from cdk_lambda_package.errors import (
    HashMismatchError,
    NoWheelError,
    RequirementsError,
    UnknownPackageError,
    UnknownVersionError,
    UnsupportedRequirementError,
)
from cdk_lambda_package.processes import Runner, run_process
from cdk_lambda_package.requirements import LockedWheel, ResolutionRequest
from cdk_lambda_package.resolving.pip_run import Known, PipRun, check_result, has_failed, run_pip, start_pip
from cdk_lambda_package.resolving.resolver import build_all
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import file_sha256, full_urls, local_path, source_key


def fetch(
    wheels: Sequence[LockedWheel],
    *,
    entry: Path,
    requirements: Path | None,
    target: Target,
    store: Store,
    pip_args: tuple[str, ...] = (),
    pip_environment: tuple[tuple[str, str], ...] = (),
    only_index: tuple[str, ...] | None = None,
    lock: Path | None = None,
) -> dict[str, Path]:
    """Return the store's file of each wheel, by sha256, after downloading what it hasn't got.

    `requirements` is the file whose index options count, as do `pip_args` and `pip_environment`; pip runs in `entry`.
    `only_index` has the hosts that may be asked, None for any. A wheel's URL has no credentials: they are taken from the
    user's requirements and `lock`, if these have that URL.
    Raises `HashMismatchError` for a file that isn't the lock's, and the kinds of `RequirementsError` for one that can't
    be fetched.
    """
    found = {wheel.sha256: _find(wheel, store) for wheel in wheels}
    missing = list({wheel.sha256: wheel for wheel in wheels if found[wheel.sha256] is None}.values())
    if missing:
        with store.workspace() as workspace:
            _copy_local([wheel for wheel in missing if _is_local(wheel)], workspace, entry)
            _download(
                [wheel for wheel in missing if not _is_local(wheel)],
                PipRun(
                    command="download",
                    target=target,
                    requirements=requirements,
                    options=pip_args,
                    variables=pip_environment,
                    no_deps=True,
                    hashes_only=True,
                    only_index=only_index,
                    destination=workspace,
                ),
                entry,
                full_urls(lock) if lock is not None else {},
            )
            found |= {wheel.sha256: _take(wheel, workspace, store) for wheel in missing}
    return {sha256: path for sha256, path in found.items() if path is not None}


def _is_local(wheel: LockedWheel) -> bool:
    return wheel.url.startswith("file:") or "://" not in wheel.url


def _copy_local(wheels: Iterable[LockedWheel], workspace: Path, entry: Path) -> None:
    for wheel in wheels:
        source = local_path(wheel.url) if wheel.url.startswith("file:") else entry / wheel.url
        try:
            shutil.copyfile(source, workspace / wheel.filename)
        except OSError as error:
            raise RequirementsError(
                f"{wheel.filename}, the wheel of {wheel.name} {wheel.version}, can't be read at {source}: "
                f"{error.strerror}. Put it back, or resolve again without it."
            ) from error


def _download(wheels: Sequence[LockedWheel], run: PipRun, entry: Path, full_urls: Mapping[str, str]) -> None:
    """Download by URL, which spares pip reading each index page; where that fails, by name and version."""
    wheels = [dataclasses.replace(wheel, url=full_urls.get(wheel.url, wheel.url)) for wheel in wheels]
    if not wheels:
        return
    try:
        by_url = _requirement_lines(wheels, by_url=True)
        run_pip(dataclasses.replace(run, only=by_url, options=(*run.options, "--retries=0")), entry=entry)
    except HashMismatchError:
        raise
    except RequirementsError as error:
        # Some indexes give each link a password of its own, which no lock keeps.
        by_name = _requirement_lines(wheels, by_url=False)
        with instead_of_unknown(error):
            run_pip(dataclasses.replace(run, only=by_name), entry=entry)


@contextlib.contextmanager
def instead_of_unknown(error: RequirementsError) -> Iterator[None]:
    """Raise this error in the place of one that says that an index hasn't got a file: it was to come from elsewhere."""
    try:
        yield
    except (NoWheelError, UnknownPackageError, UnknownVersionError):
        raise error from None


def _requirement_lines(wheels: Iterable[LockedWheel], *, by_url: bool) -> tuple[str, ...]:
    return ("--require-hashes", *(_requirement_line(wheel, by_url=by_url or wheel.direct) for wheel in wheels))


def _requirement_line(wheel: LockedWheel, *, by_url: bool) -> str:
    what = f"{wheel.name} @ {wheel.url}" if by_url else f"{wheel.name}=={wheel.version}"
    return f"{what} --hash=sha256:{wheel.sha256}"


def _find(wheel: LockedWheel, store: Store) -> Path | None:
    """Return the store's file if it still is what it was; one that was altered is forgotten."""
    path = store.find(WHEELS, wheel.sha256, wheel.filename)
    if path is None or _digest(path) == wheel.sha256:
        return path
    store.remove(WHEELS, wheel.sha256, wheel.filename)
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _take(wheel: LockedWheel, workspace: Path, store: Store) -> Path:
    """Move a verified file from the workspace into the store."""
    source = workspace / wheel.filename
    if not source.is_file():
        raise RequirementsError(
            f"pip downloaded no {wheel.filename}, the wheel of {wheel.name} {wheel.version}; resolve again."
        )
    actual = _digest(source)
    if actual != wheel.sha256:
        raise HashMismatchError(
            f"{wheel.filename} isn't the file that the lock names: expected sha256 {wheel.sha256}, got {actual}. "
            "Find out who changed it; if the change is wanted, resolve again."
        )
    path = store.place(WHEELS, wheel.sha256, wheel.filename)
    return source.replace(path)


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
