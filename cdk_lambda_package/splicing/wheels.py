"""Wheel → segment: check a wheel once, and copy its compressed streams as they are.

The layout follows https://packaging.python.org/specifications/binary-distribution-format/, seen from Lambda's task
root: purelib, platlib and data are the root, scripts are in bin/.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import IO, Any, cast

from packaging.utils import canonicalize_name, parse_wheel_filename

from cdk_lambda_package.archives import ArchiveError, reading_archive
from cdk_lambda_package.binaries import MAGIC_SIZE, BinaryFacts, examine_file, must_be_examined
from cdk_lambda_package.errors import WheelError
from cdk_lambda_package.paths import import_units, is_leftover, name_fault
from cdk_lambda_package.splicing.segment_format import (
    CHUNK,
    DEFLATED,
    LARGEST_WITHOUT_ZIP64,
    LOCAL_HEADER,
    SegmentFacts,
    SegmentWriter,
    pieces,
    read_license,
    record_file,
    write_bytes,
    write_content,
)
from cdk_lambda_package.target import LARGEST_PACKAGE

LAMBDA_PYTHON = "/var/lang/bin/python3"
_PLACEHOLDER = b"#!python"

_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}

# Bytes; those of the largest distributions have some hundred thousand.
_LARGEST_METADATA = 1 << 24


class _SpliceError(Exception):
    """Why a wheel can't be spliced, in words that follow its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """A member of a wheel: `path` is its path in the package, None if it is left out."""

    info: zipfile.ZipInfo
    name: str
    path: str | None
    is_script: bool = False


def splice(wheel: Path, stream: IO[bytes]) -> None:
    """Write the wheel's segment to `stream`, with the facts of its binaries: no tag promises all that Lambda lacks.

    Raises `WheelError`, naming wheel and member, for anything that is corrupt, that could leave the package's root, or that
    readers of .zip files may understand in different ways.
    """
    try:
        project = parse_wheel_filename(wheel.name)[0]
    except ValueError as error:
        raise WheelError(f"{wheel.name} isn't named as wheels are: {error}.") from error
    with _opened(wheel) as archive, wheel.open("rb") as raw:
        _splice(archive, raw, SegmentWriter(stream), project=project)


def find_members(wheel: Path, *, above: int) -> dict[str, int]:
    """Return the paths in a package of a wheel's files above a size, with their sizes in bytes.

    Only the wheel's directory is read. Raises `WheelError` as `splice` does.
    """
    with _opened(wheel) as archive:
        # First the sizes alone: hardly any wheel has so large a file.
        if all(info.file_size <= above for info in archive.infolist()):
            return {}
        sources = _place(_judge_members(archive.infolist()))
        sizes = {source.path: source.info.file_size for source in sources if source.path is not None}
    return {path: size for path, size in sizes.items() if size > above}


@contextlib.contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel; what the block finds wrong with it is an error that names it."""
    try:
        try:
            with reading_archive():
                archive = zipfile.ZipFile(wheel)
        except ArchiveError as error:
            raise _SpliceError(f"is not a readable .zip file archive: {error}. Fetch or build it again.") from error
        with archive:
            yield archive
    except _SpliceError as fault:
        raise WheelError(f"{wheel.name} {fault}") from fault


def read_metadata_file(wheel: Path, dist_info: str) -> bytes:
    """Return the METADATA file of a wheel that was spliced."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{dist_info}/METADATA")


def _splice(archive: zipfile.ZipFile, raw: IO[bytes], writer: SegmentWriter, *, project: str) -> None:
    named = _judge_members(archive.infolist())
    if archive.start_dir > LARGEST_WITHOUT_ZIP64:
        raise _SpliceError("is larger than 4 GiB, and a .zip file archive without its 64-bit extension isn't.")
    _refuse_overlaps(named, archive.start_dir)
    dist_info = _dist_info_folder(project, named)
    sources = list(_place(named))
    _refuse_twins(sources)
    metadata = _read_metadata(archive, named, dist_info)
    record = f"{dist_info}/RECORD"
    changed = any(source.path != source.name for source in sources)
    binaries: dict[str, BinaryFacts] = {}
    for source in sources:
        if source.path is not None and not (changed and source.path == record):
            with contextlib.ExitStack() as opened:
                content = _add(archive, raw, writer, source, opened=opened)
                facts = examine_file(source.path, content) if content is not None else None
            if facts:
                binaries[source.path] = facts
    if changed:
        write_bytes(writer, record, record_file(writer.members, record))
    about = SegmentFacts(
        dist_info=dist_info,
        units=tuple(sorted(import_units(member.path for member in writer.members))),
        license=read_license(metadata),
        binaries=binaries,
    )
    writer.finish(about)


def _judge_members(infos: Iterable[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the files by their names; raise `WheelError` for the first that can't be spliced."""
    named: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _read_name(info)
        fault = name_fault(name) or _member_fault(info)
        if fault is None and name in named:
            fault = "it is there twice"
        if fault:
            raise _SpliceError(f"has a member {name!r} that can't be packaged: {fault}.")
        if not name.endswith("/"):
            named[name] = info
    return named


def _refuse_overlaps(named: Mapping[str, zipfile.ZipInfo], end: int) -> None:
    """Raise `WheelError` for members that share bytes, as in archives that inflate to far more than their size."""
    for name, info in sorted(named.items(), key=lambda item: item[1].header_offset, reverse=True):
        # At least this long: only the local header knows its extra fields.
        if info.header_offset < 0 or info.header_offset + LOCAL_HEADER.size + info.compress_size > end:
            raise _corrupt(name, "it isn't where the directory says, or overlaps with the next member")
        end = info.header_offset


def _read_name(info: zipfile.ZipInfo) -> str:
    # `filename` is cut at a NUL and has os.sep replaced; what is in the file is judged instead. Without the flag
    # zipfile decodes by code page 437, but writers of wheels mean UTF-8.
    if info.flag_bits & _UTF8_NAME:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode()
    except UnicodeError:
        return info.orig_filename


def _member_fault(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return f"its compression method {info.compress_type} is none that can be read everywhere"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"it is stored, but declared as {info.compress_size:,} bytes that hold {info.file_size:,}"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a symbolic link or device, and wheels hold files only"
    # A segment is one: so large a file can't be in a package, and be it for a container image.
    if max(info.file_size, info.compress_size) > LARGEST_WITHOUT_ZIP64:
        return f"it is {info.file_size:,} bytes large, and a .zip file archive without its 64-bit extension has up to 4 GiB"
    return None


def _dist_info_folder(project: str, names: Iterable[str]) -> str:
    folders = sorted({name.split("/", 1)[0] for name in names if "/" in name})
    found = [folder for folder in folders if folder.endswith(".dist-info")]
    own = [folder for folder in found if canonicalize_name(folder.rsplit("-", 2)[0]) == project]
    if not own and len(found) == 1 and canonicalize_name(found[0]).startswith(project):
        # Of another spelling, such as demo-1.0-1.dist-info; pip takes it too (`wheel_dist_info_dir` in its utils/wheel.py).
        own = found
    if len(own) != 1:
        raise _SpliceError(f"should have one folder {project}-*.dist-info; it has {', '.join(found) or 'none'}.")
    return own[0]


def _place(named: Mapping[str, zipfile.ZipInfo]) -> Iterator[_Source]:
    schemes = {name: _split_data(name) for name in named}
    places = {name: _place_data(name, *parts) if parts else name for name, parts in schemes.items()}
    paths = {path for path in places.values() if path is not None}
    for name, path in places.items():
        kept = path is not None and not is_leftover(path, paths)
        is_script = (schemes[name] or ("",))[0] == "scripts"
        yield _Source(info=named[name], name=name, path=path if kept else None, is_script=is_script)


def _split_data(name: str) -> tuple[str, str] | None:
    """Return the scheme and the path of a member in the wheel's folder .data; None for any other member.

    Its name should be that of .dist-info. Wheels have others, such as `Foo-1.2.data/`, so pip expands each folder with
    that ending at the top (`is_data_scheme_path` in its operations/install/wheel.py).
    """
    folder, _, rest = name.partition("/")
    scheme, _, path = rest.partition("/")
    return (scheme, path) if folder.endswith(".data") and rest else None


def _place_data(name: str, scheme: str, rest: str) -> str | None:
    # A name may be harmless in a folder, and not at the root.
    fault = name_fault(rest)
    if fault:
        raise _SpliceError(f"has a member {name!r} that can't be packaged as {rest!r}: {fault}.")
    if scheme in ("purelib", "platlib", "data"):
        return rest
    if scheme == "scripts":
        return f"bin/{rest}"
    if scheme == "headers":
        return None
    raise _SpliceError(f"has a member {name!r} for the unknown place {scheme!r}; wheels know purelib, platlib, "
                     "data, scripts and headers.")  # fmt: skip


def _refuse_twins(sources: Iterable[_Source]) -> None:
    seen: dict[str, str] = {}
    for source in sources:
        if source.path is not None and seen.setdefault(source.path, source.name) != source.name:
            raise _SpliceError(f"has two files for {source.path!r}: {seen[source.path]!r} and {source.name!r}.")


def _read_metadata(archive: zipfile.ZipFile, named: Mapping[str, zipfile.ZipInfo], dist_info: str) -> Message:
    missing = [name for name in ("METADATA", "WHEEL", "RECORD") if f"{dist_info}/{name}" not in named]
    if missing:
        raise _SpliceError(f"has no {dist_info}/{missing[0]}, which every wheel must have.")
    metadata, about = (
        HeaderParser().parsestr(_read(archive, named[f"{dist_info}/{name}"]).decode("utf-8", "replace"))
        for name in ("METADATA", "WHEEL")
    )
    if about.get("Wheel-Version", "1.0").split(".")[0] != "1":
        raise _SpliceError(f"is of wheel version {about['Wheel-Version']}; known are versions 1.x.")
    return metadata


def _add(
    archive: zipfile.ZipFile,
    raw: IO[bytes],
    writer: SegmentWriter,
    source: _Source,
    *,
    opened: contextlib.ExitStack,
) -> IO[bytes] | None:
    """Add a member, and return its content if it may be a binary; `opened` closes it."""
    info, path = source.info, str(source.path)
    if source.is_script and _names_interpreter(archive, source):
        write_bytes(writer, path, _name_interpreter(_read(archive, info)), executable=True)
        return None
    if info.compress_type == zipfile.ZIP_DEFLATED and info.compress_size:
        return _copy(raw, _stream_start(raw, source), writer, source, opened=opened)
    # What isn't deflated is compressed anew; zipfile checks its CRC.
    with _reading(source.name), archive.open(info) as stream:
        member = write_content(writer, path, stream, size=info.file_size, executable=_is_executable(source))
        stream.seek(0)
        first = stream.read(MAGIC_SIZE)
        content = _keep(first, opened) if must_be_examined(path, first) else None
        if content is not None:
            shutil.copyfileobj(stream, content)
            content.seek(0)
    if member.size != info.file_size:
        raise _corrupt(source.name, f"it has {member.size:,} bytes where {info.file_size:,} are declared")
    return content


def _names_interpreter(archive: zipfile.ZipFile, source: _Source) -> bool:
    with _reading(source.name), archive.open(source.info) as stream:
        return stream.read(len(_PLACEHOLDER)) == _PLACEHOLDER


def _name_interpreter(script: bytes) -> bytes:
    """Rewrite `#!python` and `#!pythonw`, the placeholders of wheels, to Lambda's interpreter."""
    return re.sub(rb"\A#!pythonw?(?=[\r\n ])", b"#!" + LAMBDA_PYTHON.encode(), script)


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what zipfile raises for a corrupt member into an error that names it."""
    try:
        with reading_archive():
            yield
    except ArchiveError as error:
        raise _corrupt(name, str(error)) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > _LARGEST_METADATA:
        raise _corrupt(
            info.filename, f"it is {info.file_size:,} bytes large, and at most {_LARGEST_METADATA:,} make sense"
        )
    with _reading(info.filename):
        return archive.read(info)


def _stream_start(raw: IO[bytes], source: _Source) -> int:
    """Return where the member's compressed bytes begin, once its local header agrees with the directory."""
    offset = source.info.header_offset
    raw.seek(offset)
    header = raw.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise _corrupt(source.name, "its local header isn't where the directory says")
    name_length, extra_length = LOCAL_HEADER.unpack(header)[-2:]
    encoding = "utf-8" if source.info.flag_bits & _UTF8_NAME else "cp437"
    if raw.read(name_length) != source.info.orig_filename.encode(encoding, "surrogateescape"):
        raise _corrupt(source.name, "its local header has another name than the directory")
    return offset + LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _keep(first: bytes, opened: contextlib.ExitStack) -> IO[bytes]:
    """Return a place for the content of a binary, which is read back and forth: in memory, unless it is too large for Lambda."""
    content: Any = opened.enter_context(tempfile.SpooledTemporaryFile(max_size=LARGEST_PACKAGE))  # noqa: SIM115
    content.write(first)
    return cast(IO[bytes], content)


def _copy(
    raw: IO[bytes], start: int, writer: SegmentWriter, source: _Source, *, opened: contextlib.ExitStack
) -> IO[bytes] | None:
    """Copy a deflate stream, inflating it on the way to see that it is whole and what it says it is.

    Returns the content if it may be a binary; `opened` closes it.
    """
    info, path = source.info, str(source.path)
    raw.seek(start)
    writer.begin(path, executable=_is_executable(source), method=DEFLATED, crc=info.CRC,
                 compressed=info.compress_size, size=info.file_size)  # fmt: skip
    inflate, digest, size, crc = zlib.decompressobj(-zlib.MAX_WBITS), hashlib.sha256(), 0, 0
    first, kept = b"", None
    with _reading(source.name):
        for piece in pieces(raw, info.compress_size):
            writer.write(piece)
            for content in _inflate(inflate, piece):
                digest.update(content)
                crc = zlib.crc32(content, crc)
                size += len(content)
                if kept is not None:
                    kept.write(content)
                elif size - len(content) < MAGIC_SIZE:
                    first += content
                    if size >= MAGIC_SIZE and must_be_examined(path, first[:MAGIC_SIZE]):
                        kept = _keep(first, opened)
                if size > info.file_size:
                    raise zipfile.BadZipFile(f"it is longer than the {info.file_size:,} bytes that are declared")
    if not inflate.eof or inflate.unused_data or (size, crc) != (info.file_size, info.CRC):
        raise _corrupt(source.name, f"it isn't the {info.file_size:,} bytes with CRC {info.CRC:08x} that are declared")
    writer.end(digest.hexdigest())
    if kept is None and size < MAGIC_SIZE and must_be_examined(path, first):
        kept = _keep(first, opened)
    if kept is not None:
        kept.seek(0)
    return kept


def _inflate(inflate: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    """Yield what the next bytes of a stream inflate to, in parts of a bounded size."""
    content = None
    # With all bytes taken in, the rest of a match may still be owed: then the output was full.
    while content is None or len(content) == 4 * CHUNK:
        content = inflate.decompress(piece, 4 * CHUNK)
        yield content
        piece = inflate.unconsumed_tail


def _is_executable(source: _Source) -> bool:
    return source.is_script or bool(source.info.external_attr >> 16 & 0o111)


def _corrupt(member: str, fault: str) -> _SpliceError:
    return _SpliceError(f"is corrupt at {member!r}: {fault}. Fetch or build it again.")
