"""Fetch a lock's wheels into the store, each once and each verified.

pip downloads, with the user's own index options and passwords: by the lock's URLs, and where these alone aren't enough, by
`name==version --hash=…`. Files on this machine are copied. Nothing is in the store before its sha256 was compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cdk_lambda_package.errors import HashMismatchError, RequirementsError
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import LockedWheel, ResolutionRequest, TooLargeError, contributions
from cdk_lambda_package.resolving.pip_run import PipRun, by_url_or_name, pinned_line, run_pip
from cdk_lambda_package.store import WHEELS, Store
from cdk_lambda_package.urls import file_sha256, full_urls, local_path


def fetch(
    wheels: Sequence[LockedWheel], request: ResolutionRequest, *, store: Store, progress: Progress = QUIET
) -> dict[str, Path]:
    """Return the store's file of each wheel, by sha256, after downloading what it hasn't got.

    Of the request, the places, options and rules count. A wheel's URL has no credentials: they are taken from the user's
    requirements and lock, if these have that URL. Raises `HashMismatchError` for a file that isn't the lock's, the kinds of
    `RequirementsError` for one that can't be fetched, and `TooLargeError` before a download that would make the wheels larger
    than the request's `size_limit`.
    """
    found = {wheel.sha256: store.find_wheel(wheel.sha256, wheel.filename) for wheel in wheels}
    missing = {wheel.sha256: wheel for wheel in wheels if found[wheel.sha256] is None}
    if missing:
        request = _limit_rest(wheels, found, request)
        full = full_urls(request.lock.path) if request.lock is not None else {}
        counted = progress.step("downloading", total=len(missing), unit="wheels")
        with store.workspace() as workspace, counted as step:
            far = []
            for wheel in missing.values():
                if _is_local(wheel):
                    _copy_local(wheel, workspace, request.entry)
                    step.advance()
                else:
                    far.append(replace(wheel, url=full.get(wheel.url, wheel.url)))
            if far:
                run = PipRun(request=request, hashes_only=True, destination=workspace, progress=progress)
                _download(far, run, store)
            # By content: names in a lock are normalised (PEP 503), and those of files needn't be, as in PyYAML-6.0.2-….whl.
            files = {file_sha256(file): file for file in workspace.iterdir() if file.is_file()}
            found |= {sha256: _take(wheel, files, store) for sha256, wheel in missing.items()}
    return {sha256: path for sha256, path in found.items() if path is not None}


def _is_local(wheel: LockedWheel) -> bool:
    return wheel.url.startswith("file:") or "://" not in wheel.url


def _limit_rest(
    wheels: Sequence[LockedWheel], found: Mapping[str, Path | None], request: ResolutionRequest
) -> ResolutionRequest:
    """Return the request with the limit for what is downloaded besides the wheels that were found.

    Raises `TooLargeError` if the sizes that are known by now are above the limit.
    """
    if request.size_limit is None or all(found[wheel.sha256] or _is_local(wheel) for wheel in wheels):
        return request
    there = {sha256: path.stat().st_size for sha256, path in found.items() if path is not None}
    sizes = {wheel.sha256: wheel.size for wheel in wheels} | there
    if sum(sizes.values()) > request.size_limit:
        raise TooLargeError(contributions(wheels, sizes))
    return replace(request, size_limit=request.size_limit - sum(there.values()))


def _copy_local(wheel: LockedWheel, workspace: Path, entry: Path) -> None:
    source = local_path(wheel.url) if wheel.url.startswith("file:") else entry / wheel.url
    try:
        if not source.is_file() and source.exists():
            raise RequirementsError(
                f"{wheel.filename}, the wheel of {wheel.name} {wheel.version}, isn't a regular file at {source}. "
                "Put it back, or resolve again without it."
            )
        shutil.copyfile(source, workspace / wheel.filename)
    except OSError as error:
        raise RequirementsError(
            f"{wheel.filename}, the wheel of {wheel.name} {wheel.version}, can't be read at {source}: "
            f"{error.strerror}. Put it back, or resolve again without it."
        ) from error


def _download(wheels: Sequence[LockedWheel], run: PipRun, store: Store) -> None:
    """Download by URL, which spares pip reading each index page; where that fails, by name and version."""
    once = replace(run.request, pip_args=(*run.request.pip_args, "--retries=0"))

    def ask(*, by_url: bool) -> None:
        lines = [pinned_line(one.name, one.version, one.url, one.sha256, by_url=by_url or one.direct) for one in wheels]
        run_pip(replace(run, request=once if by_url else run.request, only=("--require-hashes", *lines)), store)

    by_url_or_name(ask)


def _take(wheel: LockedWheel, files: Mapping[str, Path], store: Store) -> Path:
    """Move a file, found by its sha256 among all that were fetched, into the store."""
    source = files.get(wheel.sha256)
    if source is None:
        actual = next((sha256 for sha256, file in files.items() if file.name == wheel.filename), "no such file")
        raise HashMismatchError(
            f"{wheel.filename} isn't the file that the lock names: expected sha256 {wheel.sha256}, got {actual}. "
            "Find out who changed it; if the change is wanted, resolve again."
        )
    return store.adopt(source, WHEELS, wheel.sha256, wheel.filename)
