"""Segments: runs of .zip members in the form that Lambda gets, each with its part of the central directory.

A deployment package is a concatenation of segments, followed by one end record. A segment's file is

    members      local headers and streams, back to back
    directory    the central directory records of these members, with offsets from the segment's start
    index        JSON: the members' paths, sizes and digests, and the facts about the distribution
    footer       the three lengths, and digests of the members and of directory and index

Headers are the plainest of the format (APPNOTE.TXT 4.3.7, 4.3.12): version 2.0, no extra fields, no data descriptors, a
fixed time, Unix modes. Nothing in them depends on the host or the day.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import deflate
import msgspec

from cdk_lambda_package.binaries import BinaryFacts

# An edit of the app reads no metadata.
if TYPE_CHECKING:
    from email.message import Message

LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""The local header in front of each member."""
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_FOOTER = struct.Struct("<8s3Q32s32s")
_MAGIC = b"clpseg03"

OFFSET_FIELD = 42
"""The position, in a central directory record, of the offset of the local header."""

STORED, DEFLATED = 0, 8

_VERSION = 20
_UNIX = 3
_UTF8_NAME = 0x800
# 1980-01-01 00:00:00, the format's first instant.
_TIME, _DATE = 0, 0x21
_REGULAR_FILE = 0o100000


class Member(NamedTuple):
    """One file: `path` in the package, `size` in bytes and `digest` (sha256, hex) of its uncompressed content."""

    path: str
    executable: bool
    size: int
    digest: str

    @property
    def mode(self) -> int:
        """The permission bits, readable by Lambda's unprivileged user."""
        return 0o755 if self.executable else 0o644


_CLASSIFIER = "License :: "
# Longer than any name or expression: some put the licence itself into the field.
_LONGEST = 200


def read_license(metadata: Message) -> dict[str, Any]:
    """Return `expression`, `text` and `classifiers`, as far as they are there.

    https://packaging.python.org/specifications/core-metadata/: License-Expression is SPDX's, License free text, which
    is kept if it is one line, and Classifier one of a list.
    """
    text = str(metadata["License"] or "").strip()
    is_name = len(text) <= _LONGEST and "\n" not in text and text.upper() != "UNKNOWN"
    classifiers = [str(line) for line in metadata.get_all("Classifier", []) if str(line).startswith(_CLASSIFIER)]
    found = {
        "expression": str(metadata["License-Expression"] or "").strip(),
        "text": text if is_name else "",
        "classifiers": sorted(classifiers),
    }
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentFacts:
    """Facts about the files of a segment.

    `dist_info`, `units` (see `import_units`, sorted) and `license` (see `read_license`) are those of a wheel. `binaries` has
    the facts of each binary by its path; it is empty for wheels whose tags promise that they load.
    """

    dist_info: str | None = None
    units: tuple[str, ...] = ()
    license: dict[str, Any] = field(default_factory=dict)
    binaries: dict[str, BinaryFacts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Index:
    """The index of a segment's file: `executable` has the positions of members, `digests` their sha256 without separators."""

    paths: tuple[str, ...]
    executable: tuple[int, ...]
    sizes: tuple[int, ...]
    digests: str
    starts: tuple[int, ...]
    directory_starts: tuple[int, ...]
    facts: SegmentFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A segment in the store, its members still on disk.

    `starts` has the offset of each member's local header, and at the end that of the end of the data;
    `directory_starts` is the same for the directory records.
    """

    file: Path
    members: tuple[Member, ...]
    starts: tuple[int, ...]
    directory: bytes
    directory_starts: tuple[int, ...]
    facts: SegmentFacts

    def compressed_size(self, index: int) -> int:
        """Bytes that a member takes in the .zip, its local header included."""
        return self.starts[index + 1] - self.starts[index]


class RecordFile(NamedTuple):
    """The RECORD of a distribution of which not all files are packaged: its path and content."""

    path: str
    content: bytes


class SegmentError(Exception):
    """A segment's file isn't whole; it has to be made again."""


class SegmentWriter:
    """Writes a segment to a binary stream: `begin`, `write` the stream's bytes, `end`, for each member; then `finish`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._position = 0
        self._directory = bytearray()
        self._directory_starts = [0]
        self._starts = [0]
        self._members: list[Member] = []

    def begin(self, path: str, *, executable: bool, method: int, crc: int, compressed: int, size: int) -> None:
        """Write a member's local header, and keep its directory record."""
        name = path.encode()
        flags = 0 if name.isascii() else _UTF8_NAME
        common = (flags, method, _TIME, _DATE, crc, compressed, size, len(name), 0)
        attributes = (_REGULAR_FILE | (0o755 if executable else 0o644)) << 16
        self._directory += _CENTRAL.pack(
            b"PK\x01\x02", _UNIX << 8 | _VERSION, _VERSION, *common, 0, 0, 0, attributes, self._position
        )
        self._directory += name
        self.write(LOCAL_HEADER.pack(b"PK\x03\x04", _VERSION, *common) + name)

    def write(self, data: bytes) -> None:
        """Write bytes of the member's stream."""
        self._stream.write(data)
        self._hash.update(data)
        self._position += len(data)

    def end(self, member: Member) -> None:
        """Note the finished member."""
        self._members.append(member)
        self._starts.append(self._position)
        self._directory_starts.append(len(self._directory))

    @property
    def members(self) -> tuple[Member, ...]:
        """The members that have been written so far."""
        return tuple(self._members)

    def finish(self, facts: SegmentFacts) -> None:
        """Write directory, index and footer."""
        columns = _Index(
            paths=tuple(member.path for member in self._members),
            executable=tuple(number for number, member in enumerate(self._members) if member.executable),
            sizes=tuple(member.size for member in self._members),
            digests="".join(member.digest for member in self._members),
            starts=tuple(self._starts),
            directory_starts=tuple(self._directory_starts),
            facts=facts,
        )
        index = msgspec.json.encode(columns)
        tail = bytes(self._directory) + index
        lengths = (self._position, len(self._directory), len(index))
        self._stream.write(tail)
        self._stream.write(_FOOTER.pack(_MAGIC, *lengths, self._hash.digest(), hashlib.sha256(tail).digest()))


def read_segment(file: Path, *, verify: bool) -> Segment:
    """Read a segment's directory and index; with `verify`, check the members' bytes too.

    Raises `SegmentError` if the file isn't as it was written.

    Example:
        `read_segment(store.find("segments", key), verify=False).members`
    """
    try:
        with file.open("rb") as stream:
            return _read(file, stream, verify=verify)
    except (OSError, struct.error, ValueError, msgspec.MsgspecError) as error:
        raise SegmentError(f"{file}: {error}") from error


def _read(file: Path, stream: IO[bytes], *, verify: bool) -> Segment:
    total = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, total - _FOOTER.size))
    magic, data, directory, index, data_digest, tail_digest = _FOOTER.unpack(stream.read())
    if magic != _MAGIC or data + directory + index + _FOOTER.size != total:
        raise ValueError("not a whole segment")
    if verify:
        stream.seek(0)
        if _digest_of(stream, data) != data_digest:
            raise ValueError("its members were altered")
    stream.seek(data)
    tail = stream.read(directory + index)
    if hashlib.sha256(tail).digest() != tail_digest:
        raise ValueError("its directory was altered")
    return _from_index(file, tail[:directory], msgspec.json.decode(tail[directory:], type=_Index))


def _digest_of(stream: IO[bytes], length: int) -> bytes:
    digest = hashlib.sha256()
    while length > 0:
        chunk = stream.read(min(length, 1 << 20))
        if not chunk:
            break
        digest.update(chunk)
        length -= len(chunk)
    return digest.digest()


def _from_index(file: Path, directory: bytes, index: _Index) -> Segment:
    executable, digests = set(index.executable), index.digests
    return Segment(
        file=file,
        members=tuple(
            Member(path, number in executable, size, digests[64 * number : 64 * number + 64])
            for number, (path, size) in enumerate(zip(index.paths, index.sizes, strict=True))
        ),
        starts=index.starts,
        directory=directory,
        directory_starts=index.directory_starts,
        facts=index.facts,
    )


Opener = Callable[[], IO[bytes]]
"""Opens a member's content from its beginning; called more than once for content that is too large to hold."""

# libdeflate's output is a function of its version, the level and the input, on every host; zlib's isn't, because
# CPython on Windows and Linux distributions replace it by zlib-ng. It has no streaming interface, so what is larger
# than this many bytes goes in uncompressed: the memory that packaging takes stays the same whatever it packages.
LARGEST_COMPRESSED = 16 * 1024 * 1024
_LEVEL = 6
COMPRESSOR = "libdeflate of deflate 0.9, level 6"
"""The compressor, on which the bytes of compressed members depend besides their content."""

CHUNK = 1 << 18


class ContentChangedError(Exception):
    """The content changed between two reads."""


def write_bytes(writer: SegmentWriter, path: str, content: bytes, *, executable: bool = False) -> None:
    """Add a member with this content, compressed if that makes it smaller.

    Example:
        `write_bytes(writer, "app.py", b"def handler(event, context): ...")`
    """
    stream = bytes(deflate.deflate_compress(content, _LEVEL)) if content else b""
    method = DEFLATED if len(stream) < len(content) else STORED
    data = stream if method == DEFLATED else content
    crc = zlib.crc32(content)
    writer.begin(path, executable=executable, method=method, crc=crc, compressed=len(data), size=len(content))
    writer.write(data)
    writer.end(Member(path, executable, len(content), hashlib.sha256(content).hexdigest()))


def write_content(writer: SegmentWriter, path: str, open_content: Opener, *, size: int, executable: bool) -> str:
    """Add a member with the content that `open_content` opens, and return the content's sha256 (hex).

    Example:
        `write_content(writer, "data.bin", lambda: path.open("rb"), size=path.stat().st_size, executable=False)`
    """
    if size <= LARGEST_COMPRESSED:
        with open_content() as stream:
            content = stream.read(LARGEST_COMPRESSED + 1)
        write_bytes(writer, path, content, executable=executable)
        return hashlib.sha256(content).hexdigest()
    return _write_stored(writer, path, open_content, executable=executable)


def _write_stored(writer: SegmentWriter, path: str, open_content: Opener, *, executable: bool) -> str:
    # Two passes, because the header before the data has the CRC and the size.
    crc, size = 0, 0
    for chunk in _chunks(open_content):
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
    writer.begin(path, executable=executable, method=STORED, crc=crc, compressed=size, size=size)
    digest, written = hashlib.sha256(), 0
    for chunk in _chunks(open_content):
        digest.update(chunk)
        written = zlib.crc32(chunk, written)
        writer.write(chunk)
    if written != crc:
        raise ContentChangedError(path)
    writer.end(Member(path, executable, size, digest.hexdigest()))
    return digest.hexdigest()


def _chunks(open_content: Opener) -> Iterator[bytes]:
    with open_content() as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def record_file(members: Iterable[Member], record: str) -> bytes:
    """Return RECORD, the list of an installed distribution's files that `importlib.metadata.files()` reads.

    It has path, sha256 and size of each file, and for itself the path only.
    https://packaging.python.org/specifications/recording-installed-packages/#the-record-file

    Example:
        `record_file(writer.members, "six-1.17.0.dist-info/RECORD")`
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for member in sorted(members):
        digest = base64.urlsafe_b64encode(bytes.fromhex(member.digest)).rstrip(b"=").decode()
        rows.writerow((member.path, f"sha256={digest}", member.size))
    rows.writerow((record, "", ""))
    return text.getvalue().encode()
