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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import deflate
import msgspec

from cdk_lambda_package.binaries import BinaryFacts
from cdk_lambda_package.decoding import decode
from cdk_lambda_package.errors import ChangedFileError

# An edit of the app reads no metadata.
if TYPE_CHECKING:
    from email.message import Message

LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""The local header in front of each member."""
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_FOOTER = struct.Struct("<8s3Q32s32s")
_MAGIC = b"clpseg05"

OFFSET_FIELD = 42
"""The position, in a central directory record, of the offset of the local header."""

STORED, DEFLATED = 0, 8

_VERSION = 20
_UNIX = 3
_UTF8_NAME = 0x800
# 1980-01-01 00:00:00, the format's first instant.
_TIME, _DATE = 0, 0x21
_REGULAR_FILE = 0o100000


# Packages have up to 65,534 of them. Python's garbage collector needn't look at these again and again, as at tuples.
class Member(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
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
    the facts of each binary by its path.
    """

    dist_info: str | None = None
    units: tuple[str, ...] = ()
    license: dict[str, Any] = field(default_factory=dict)
    binaries: dict[str, BinaryFacts] = field(default_factory=dict)


_Index = tuple[tuple[Member, ...], tuple[int, ...], tuple[int, ...], SegmentFacts]
"""The index of a segment's file: `members`, `starts`, `directory_starts` and `facts` of the segment."""


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

    @property
    def key(self) -> str:
        """The key of the segment in the store: what is known of it is kept beside it."""
        return self.file.name

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
    """Writes a segment to a binary stream: `begin`, `write` the stream's bytes, `end`, for each member; then `finish`.

    `members` are those that have been written so far.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._position = 0
        self._directory = bytearray()
        self._directory_starts = [0]
        self._starts = [0]
        self.members: list[Member] = []

    def begin(self, path: str, *, executable: bool, method: int, crc: int, compressed: int, size: int) -> None:
        """Write a member's local header, and keep its directory record."""
        self._begun = path, executable, size
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

    def end(self, digest: str) -> Member:
        """Return the finished member, whose content has this sha256 (hex)."""
        member = Member(*self._begun, digest)
        self.members.append(member)
        self._starts.append(self._position)
        self._directory_starts.append(len(self._directory))
        return member

    def finish(self, facts: SegmentFacts) -> None:
        """Write directory, index and footer."""
        index = msgspec.json.encode((self.members, self._starts, self._directory_starts, facts))
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
    except (
        OSError,
        struct.error,
        ValueError,
        OverflowError,
        RecursionError,
        MemoryError,
        msgspec.MsgspecError,
    ) as error:
        raise SegmentError(f"{file}: {error}") from error


def _read(file: Path, stream: IO[bytes], *, verify: bool) -> Segment:
    total = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, total - _FOOTER.size))
    magic, data, directory, index, data_digest, tail_digest = _FOOTER.unpack(stream.read())
    if magic != _MAGIC or data + directory + index + _FOOTER.size != total:
        raise ValueError("not a whole segment")
    if verify:
        stream.seek(0)
        digest = hashlib.sha256()
        for piece in pieces(stream, data):
            digest.update(piece)
        if digest.digest() != data_digest:
            raise ValueError("its members were altered")
    stream.seek(data)
    tail = stream.read(directory + index)
    if hashlib.sha256(tail).digest() != tail_digest:
        raise ValueError("its directory was altered")
    decoded: _Index = decode(tail[directory:], _Index)
    members, starts, directory_starts, facts = decoded
    return Segment(
        file=file,
        members=members,
        starts=starts,
        directory=tail[:directory],
        directory_starts=directory_starts,
        facts=facts,
    )


LARGEST_WITHOUT_ZIP64 = 0xFFFFFFFF - 1
"""The most bytes of a file or an archive without the 64-bit extension, whose mark is the largest number (APPNOTE.TXT 4.4.1.4)."""

# libdeflate's output is a function of its version, the level and the input, on every host; zlib's isn't, because
# CPython on Windows and Linux distributions replace it by zlib-ng. It has no streaming interface, so what is larger
# than this many bytes goes in uncompressed: the memory that packaging takes stays the same whatever it packages.
LARGEST_COMPRESSED = 16 * 1024 * 1024
_LEVEL = 6
COMPRESSOR = "libdeflate of deflate 0.9, level 6"
"""The compressor, on which the bytes of compressed members depend besides their content."""

CHUNK = 1 << 18
"""The most bytes of a member that are held at once, if it needn't be compressed."""


def pieces(stream: IO[bytes], length: int) -> Iterator[bytes]:
    """Yield the next `length` bytes of a stream in pieces; fewer if it ends before.

    Example:
        `for piece in pieces(source, header["compressed"]): writer.write(piece)`
    """
    while length and (piece := stream.read(min(CHUNK, length))):
        length -= len(piece)
        yield piece


def write_bytes(writer: SegmentWriter, path: str, content: bytes, *, executable: bool = False) -> Member:
    """Add a member with this content, compressed if that makes it smaller, and return it.

    Example:
        `write_bytes(writer, "app.py", b"def handler(event, context): ...")`
    """
    data, method = content, STORED
    if content and len(stream := bytes(deflate.deflate_compress(content, _LEVEL))) < len(content):
        data, method = stream, DEFLATED
    crc = zlib.crc32(content)
    writer.begin(path, executable=executable, method=method, crc=crc, compressed=len(data), size=len(content))
    writer.write(data)
    return writer.end(hashlib.sha256(content).hexdigest())


def write_content(writer: SegmentWriter, path: str, stream: IO[bytes], *, size: int, executable: bool) -> Member:
    """Add a member with the content of a stream that is at its beginning and seekable, and return it.

    If the content isn't `size` bytes long, the member's size is another. If it changes meanwhile, its digest is another than the
    content's, or `ChangedFileError` is raised.

    Example:
        `write_content(writer, "data.bin", stream, size=path.stat().st_size, executable=False)`
    """
    if size <= LARGEST_COMPRESSED:
        return write_bytes(writer, path, stream.read(size + 1), executable=executable)
    # Two passes, because the header before the data has the CRC and the size that there is.
    crc, found = 0, 0
    for piece in pieces(stream, size + 1):
        crc = zlib.crc32(piece, crc)
        found += len(piece)
    writer.begin(path, executable=executable, method=STORED, crc=crc, compressed=found, size=found)
    stream.seek(0)
    digest, written = hashlib.sha256(), 0
    for piece in pieces(stream, found):
        digest.update(piece)
        written = zlib.crc32(piece, written)
        writer.write(piece)
    if written != crc:
        raise ChangedFileError(path)
    return writer.end(digest.hexdigest())


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
