"""Distributions in vendor/: wheels beside a lock, which take the place of what it has under their names, and metadata."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from cdk_lambda_package.app_directory import AppFile, Origin
from cdk_lambda_package.errors import EntryError, WheelError
from cdk_lambda_package.locks.lock_format import Direct
from cdk_lambda_package.requirements import LockedWheel, ResolutionRequest
from cdk_lambda_package.splicing import read_license
from cdk_lambda_package.urls import local_path

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def read_vendored(
    request: ResolutionRequest, wheels: Sequence[LockedWheel]
) -> tuple[tuple[LockedWheel, ...], tuple[Direct, ...]]:
    """Return the wheels with those of vendor/ among them, sorted by name, and what these and the app itself require."""
    vendored: dict[str, LockedWheel] = {}
    needs: list[Direct] = []
    for line in request.extra:
        name, separator, url = line.partition(" @ ")
        if not separator:
            needs.append(Direct(text=line, place="the app"))
            continue
        url, _, digest = url.partition("#sha256=")
        path = local_path(url)
        vendored[name] = LockedWheel(
            name=canonicalize_name(name),
            version=str(parse_wheel_filename(path.name)[1]),
            filename=path.name,
            url=url,
            sha256=digest,
            direct=True,
            requested=True,
        )
        needs += _read_needs(path)
    kept = [wheel for wheel in wheels if wheel.name not in vendored]
    return tuple(sorted((*kept, *vendored.values()), key=lambda wheel: wheel.name)), tuple(needs)


def describe_vendored(files: Iterable[AppFile]) -> Iterator[dict[str, Any]]:
    """Yield name, version and licence of the distributions whose metadata is in vendor/, sorted by name."""
    found = [file for file in files if file.origin is Origin.VENDOR and _METADATA.fullmatch(file.path)]
    rows = [_describe(file) for file in found]
    yield from sorted((row for row in rows if row["name"] and row["version"]), key=lambda row: str(row["name"]))


def _describe(file: AppFile) -> dict[str, Any]:
    try:
        with Path(file.source).open("rb") as stream:
            metadata = BytesParser().parse(stream, headersonly=True)
    except OSError as error:
        raise EntryError(f"{file.source!r} can't be read any more: {error.strerror}. Package again.") from error
    row = {"name": canonicalize_name(str(metadata["Name"] or "")), "version": str(metadata["Version"] or "")}
    told = read_license(metadata)
    return {**row, "license": told} if told else row


def _read_needs(path: Path) -> Iterator[Direct]:
    try:
        with zipfile.ZipFile(path) as wheel:
            name = next(
                name for name in wheel.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            metadata = BytesParser().parsebytes(wheel.read(name), headersonly=True)
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise WheelError(f"vendor/{path.name} can't be read: {str(error) or 'it has no METADATA'}") from error
    for line in metadata.get_all("Requires-Dist", []):
        yield Direct(text=line, place=f"vendor/{path.name}")
