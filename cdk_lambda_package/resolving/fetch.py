"""Bring a lock's wheels into the store, each once and each verified.

pip downloads, with the user's own index options and passwords: by the lock's URLs, and where these alone don't do, by
`name==version --hash=…`. Files on this machine are copied. Nothing is in the store before its sha256 was compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cdk_lambda_package.errors import (
    HashMismatchError,
    NoWheelError,
    RequirementsError,
    UnknownPackageError,
    UnknownVersionError,
)
from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.resolving.resolve import PipRun, run_pip
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target
from cdk_lambda_package.urls import full_urls, local_path

KIND = "wheels"


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
    be had.
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
    path = store.find(KIND, wheel.sha256, wheel.filename)
    if path is None or _digest(path) == wheel.sha256:
        return path
    store.remove(KIND, wheel.sha256, wheel.filename)
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
    path = store.place(KIND, wheel.sha256, wheel.filename)
    return source.replace(path)
