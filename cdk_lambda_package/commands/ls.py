"""`ls`: what is in a package, of a directory or of a .zip file archive that exists."""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.commands.arguments import add_entry, print_findings, request_of
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.progress import Status
from cdk_lambda_package.store import Store

# What zipfile, its decompressors and csv raise for invalid bytes.
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Print each file with its size, mode and owner; a directory's package needs a request.

    Raises the kinds of `PackageError`.
    """
    rows = _rows(arguments)
    if arguments.format == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        print("\n".join(format_rows(rows)))
    return 0


def _rows(arguments: argparse.Namespace) -> list[Row]:
    entry = Path(arguments.entry)
    if entry.is_file():
        return read_rows(entry)
    if not entry.exists():
        raise PackageError(f"{arguments.entry!r} doesn't exist; give an entry directory or a .zip file archive.")
    if arguments.runtime is None:
        raise PackageError("--runtime is missing: to list a directory's package, give its runtime, such as python3.13.")
    with Status() as status:
        made = package(request_of(arguments), store=Store.open(arguments.cache_dir), progress=status.update)
    print_findings(made.findings)
    return [Row(file["path"], file["size"], file["mode"], file["owner"]) for file in made.manifest["files"]]


class Row(NamedTuple):
    """A file of a package: its size in bytes unzipped, and its owner, "" if unknown."""

    path: str
    size: int
    mode: str
    owner: str


def read_rows(archive: Path) -> list[Row]:
    """Return the files of a .zip file archive, with owners by the RECORDs in it.

    Raises `PackageError` for a file that isn't an archive.
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
