"""Fetch a lock's wheels into the store, each once and each verified.

pip downloads, with the user's own index options and passwords: by the lock's URLs, and where these alone aren't enough, by
`name==version --hash=…`. Files on this machine are copied. Nothing is in the store before its sha256 was
compared.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from cdk_lambda_package.building import WHEELS
from cdk_lambda_package.errors import HashMismatchError, RequirementsError
from cdk_lambda_package.requirements import LockedWheel, ResolutionRequest
from cdk_lambda_package.resolving.pip_run import PipRun, instead_of_unknown, run_pip
from cdk_lambda_package.store import Store
from cdk_lambda_package.urls import full_urls, local_path, sha256_of


def fetch(wheels: Sequence[LockedWheel], request: ResolutionRequest, *, store: Store) -> dict[str, Path]:
    """Return the store's file of each wheel, by sha256, after downloading what it hasn't got.

    Of the request, the places, options and rules count. A wheel's URL has no credentials: they are taken from the user's
    requirements and lock, if these have that URL. Raises `HashMismatchError` for a file that isn't the lock's, and the kinds
    of `RequirementsError` for one that can't be fetched.
    """
    found = {wheel.sha256: _find(wheel, store) for wheel in wheels}
    missing = list({wheel.sha256: wheel for wheel in wheels if found[wheel.sha256] is None}.values())
    if missing:
        with store.workspace() as workspace:
            _copy_local([wheel for wheel in missing if _is_local(wheel)], workspace, request.entry)
            # Metadata spares `pip install` a fetch; a download is one.
            asked = dataclasses.replace(request, known_metadata=())
            run = PipRun(request=asked, command="download", no_deps=True, hashes_only=True, destination=workspace)
            _download([wheel for wheel in missing if not _is_local(wheel)], run)
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


def _download(wheels: Sequence[LockedWheel], run: PipRun) -> None:
    """Download by URL, which spares pip reading each index page; where that fails, by name and version."""
    if not wheels:
        return
    known = full_urls(run.request.lock.path) if run.request.lock else {}
    wheels = [dataclasses.replace(wheel, url=known.get(wheel.url, wheel.url)) for wheel in wheels]
    try:
        run_pip(dataclasses.replace(run, only=_requirement_lines(wheels, by_url=True), options=("--retries=0",)))
    except HashMismatchError:
        raise
    except RequirementsError as error:
        # Some indexes give each link a password of its own, which no lock keeps.
        with instead_of_unknown(error):
            run_pip(dataclasses.replace(run, only=_requirement_lines(wheels, by_url=False)))


def _requirement_lines(wheels: Iterable[LockedWheel], *, by_url: bool) -> tuple[str, ...]:
    return ("--require-hashes", *(_requirement_line(wheel, by_url=by_url or wheel.direct) for wheel in wheels))


def _requirement_line(wheel: LockedWheel, *, by_url: bool) -> str:
    what = f"{wheel.name} @ {wheel.url}" if by_url else f"{wheel.name}=={wheel.version}"
    return f"{what} --hash=sha256:{wheel.sha256}"


def _find(wheel: LockedWheel, store: Store) -> Path | None:
    """Return the store's file if it still is what it was; one that was altered is forgotten."""
    path = store.find(WHEELS, wheel.sha256, wheel.filename)
    if path is None or sha256_of(path) == wheel.sha256:
        return path
    store.remove(WHEELS, wheel.sha256, wheel.filename)
    return None


def _take(wheel: LockedWheel, workspace: Path, store: Store) -> Path:
    """Move a verified file from the workspace into the store."""
    source = workspace / wheel.filename
    if not source.is_file():
        raise RequirementsError(
            f"pip downloaded no {wheel.filename}, the wheel of {wheel.name} {wheel.version}; resolve again."
        )
    actual = sha256_of(source)
    if actual != wheel.sha256:
        raise HashMismatchError(
            f"{wheel.filename} isn't the file that the lock names: expected sha256 {wheel.sha256}, got {actual}. "
            "Find out who changed it; if the change is wanted, resolve again."
        )
    path = store.place(WHEELS, wheel.sha256, wheel.filename)
    return source.replace(path)
