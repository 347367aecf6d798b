"""Wheels that were built here: the same bytes for the same content, and judged by their content."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cdk_lambda_package.binaries import MAGIC_SIZE, examine_file, must_be_examined
from cdk_lambda_package.loading import Loader, broken_binaries
from cdk_lambda_package.splicing import (
    Member,
    SegmentFacts,
    SegmentWriter,
    Splice,
    read_segment,
    record_file,
    write_bytes,
    write_content,
    write_zip,
)
from cdk_lambda_package.target import Target

# What goes to the root, wherever a wheel has it (https://packaging.python.org/specifications/binary-distribution-format/).
_DATA = re.compile(r"\A[^/]+\.data/(?:purelib|platlib|data)/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a built wheel can be taken: `fault` says why not; `native` tells that a compiler had a hand in it."""

    fault: str | None
    native: bool


def judge(wheel: Path, target: Target, libraries: Iterable[str] = ()) -> Verdict:
    """Judge by the tags and, whatever they say, by each binary: a build knows only the machine that it runs on.

    `libraries` are the paths of what else is in the package, and may be needed.
    """
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename as error:
        return Verdict(fault=f"isn't named as wheels are ({error})", native=False)
    native = any(tag.platform != "any" for tag in tags)
    if not target.accepts_wheel(wheel.name):
        names = ", ".join(sorted(map(str, tags)))
        return Verdict(fault=f"came out as {wheel.name}, whose tag {names} {target} doesn't load", native=native)
    loader = _read_binaries(wheel, target, libraries)
    faults = [
        f"{binary.path} {fault.text}"
        for binary in broken_binaries(loader)
        for fault in binary.faults
        if fault.is_certain
    ]
    return Verdict(
        fault=f"came out as {wheel.name}, but {'; '.join(faults)}" if faults else None,
        native=native or bool(loader.binaries),
    )


def _read_binaries(wheel: Path, target: Target, libraries: Iterable[str]) -> Loader:
    """Return a loader for the binaries of a wheel, in a package that has nothing else but these libraries."""
    paths = set(libraries)
    binaries = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            path = _DATA.sub("", info.filename)
            paths.add(path)
            with archive.open(info) as stream:
                first = stream.read(MAGIC_SIZE)
                # In memory: it is read back and forth, and a member is inflated anew for each step back.
                examined = must_be_examined(path, first)
                facts = examine_file(path, io.BytesIO(first + stream.read())) if examined else None
            if facts is not None:
                binaries[path] = facts
    return Loader(target, paths, binaries)


def read_metadata(wheel: Path) -> str:
    """Return METADATA of a wheel that pip built."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(_find_metadata(archive)).decode("utf-8", "replace")


def normalise(wheel: Path, target: Path, *, workspace: Path) -> None:
    """Write the wheel's members in order of their names, without times, by the compressor that is everywhere the same.

    What was built of the same content then has the same sha256, whenever and in whose directory it was: URLs in METADATA
    that lead into the `workspace`, as poetry writes them for path dependencies, lead into `file:///build` instead.
    """
    segment = target.with_suffix(".segment")
    with zipfile.ZipFile(wheel) as archive, segment.open("wb") as stream:
        writer = SegmentWriter(stream)
        changed = _move_urls(archive, workspace)
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.filename in changed:
                write_bytes(writer, info.filename, changed[info.filename])
            elif not info.is_dir():
                _write(archive, info, writer)
        writer.finish(SegmentFacts())
    with target.open("wb") as stream:
        write_zip([Splice.whole(read_segment(segment, verify=False))], stream)
    segment.unlink()


def _find_metadata(archive: zipfile.ZipFile) -> str:
    return next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)


def _move_urls(archive: zipfile.ZipFile, workspace: Path) -> dict[str, bytes]:
    """Return the members that are others where the workspace has no name: METADATA, and RECORD with its digest."""
    name = _find_metadata(archive)
    record = name.removesuffix("METADATA") + "RECORD"
    old = new = archive.read(name)
    for place in {workspace, workspace.resolve()}:
        new = new.replace(place.as_uri().encode(), b"file:///build")
    if new == old:
        return {}
    return {name: new, record: archive.read(record).replace(_record_row(name, old), _record_row(name, new))}


def _record_row(path: str, content: bytes) -> bytes:
    return record_file([Member(path, False, len(content), hashlib.sha256(content).hexdigest())], "").splitlines()[0]


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, writer: SegmentWriter) -> None:
    executable = bool(info.external_attr >> 16 & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    write_content(writer, info.filename, lambda: archive.open(info), size=info.file_size, executable=executable)
