"""What is in a package, as rows and as a file beside it."""

from __future__ import annotations

import csv
import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.pipeline import DeploymentPackage
from cdk_lambda_package.splicing import explain_os_errors
from cdk_lambda_package.store import replacing

# What zipfile, the decompressors behind it and csv raise for bytes that aren't what they should be.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    csv.Error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)


class Row(NamedTuple):
    """A file of a package: its size in bytes unzipped, and who provides it, where that is known."""

    path: str
    size: int
    mode: str
    owner: str


def rows_of(manifest: Mapping[str, Any]) -> list[Row]:
    """Return the files that a manifest lists."""
    return [Row(file["path"], file["size"], file["mode"], file["owner"]) for file in manifest["files"]]


def read_rows(archive: Path) -> list[Row]:
    """Return the files of a .zip file archive; distributions are told from the RECORDs in it.

    Raises `PackageError` for a file that isn't one.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            owners = dict(_read_owners(opened))
            return sorted(_row(info, owners) for info in opened.infolist() if not info.is_dir())
    except _UNREADABLE as error:
        raise PackageError(
            f"{str(archive)!r} can't be listed: {error}. Give an entry directory or a .zip file."
        ) from error


def _row(info: zipfile.ZipInfo, owners: Mapping[str, str]) -> Row:
    mode = f"{info.external_attr >> 16 & 0o7777:04o}"
    return Row(info.filename, info.file_size, mode, owners.get(info.filename, ""))


def _read_owners(opened: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for name in opened.namelist():
        folder, _, file = name.partition("/")
        if file == "RECORD" and folder.endswith(".dist-info"):
            owner = "==".join(folder.removesuffix(".dist-info").rsplit("-", 1))
            for row in csv.reader(opened.read(name).decode("utf-8", "replace").splitlines()):
                yield row[0] if row else "", owner


def format_rows(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the tree as lines: sizes, owners, and paths."""
    rows = list(rows)
    width = max((len(row.owner) for row in rows), default=0)
    for row in rows:
        yield f"{row.size:>12,}  {row.mode}  {row.owner:<{width}}  {row.path}"
    yield f"{sum(row.size for row in rows):>12,}  {len(rows):,} files"


def write_manifest(made: DeploymentPackage, path: Path) -> None:
    """Write the manifest of a package, with the digest and size of its .zip if it was written as one."""
    manifest = made.manifest
    if made.path is not None and made.path.is_file():
        with made.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        manifest["zip"] = {"sha256": digest, "size": made.path.stat().st_size}
    _write_json(manifest, path)


def write_sbom(made: DeploymentPackage, path: Path) -> None:
    """Write the software bill of materials of a package."""
    _write_json(made.sbom, path)


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    with explain_os_errors(path), replacing(path) as stream:
        stream.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
