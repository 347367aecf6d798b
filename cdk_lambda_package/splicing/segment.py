"""Segments: a run of .zip members in the form that Lambda will see, with the directory piece that belongs to them.

A deployment package is a concatenation of segments behind one end record. A segment's file is

    members      local headers and streams, back to back
    directory    the central directory records of these members, with offsets that count from the segment's start
    facts        JSON: the members' paths, sizes and digests, and what was learnt about the distribution
    footer       the three lengths, and digests of the members and of what follows them

Headers are the plainest that the format has (APPNOTE.TXT 4.3.7, 4.3.12): version 2.0, no extra fields, no data
descriptors, a fixed time, Unix modes. Nothing in them depends on the host or the day.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_FOOTER = struct.Struct("<8s3Q32s32s")
_MAGIC = b"clpseg01"

OFFSET_FIELD = 42
"""Where in a central directory record the offset of the local header stands."""

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
        """The permission bits that Lambda's unprivileged user meets."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A segment in the store, its members still on disk.

    `starts` has the offset of each member's local header, and behind the last the end of the data;
    `directory_starts` likewise for the directory records.
    """

    file: Path
    members: tuple[Member, ...]
    starts: tuple[int, ...]
    directory: bytes
    directory_starts: tuple[int, ...]
    facts: Mapping[str, Any]

    @property
    def data_size(self) -> int:
        """Bytes that the members take, headers included."""
        return self.starts[-1]

    def compressed_size(self, index: int) -> int:
        """Bytes that a member takes in the .zip, its local header included."""
        return self.starts[index + 1] - self.starts[index]


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
        """Write a member's local header, and its directory record aside."""
        name = path.encode()
        flags = 0 if name.isascii() else _UTF8_NAME
        common = (flags, method, _TIME, _DATE, crc, compressed, size, len(name), 0)
        attributes = (_REGULAR_FILE | (0o755 if executable else 0o644)) << 16
        self._directory += _CENTRAL.pack(
            b"PK\x01\x02", _UNIX << 8 | _VERSION, _VERSION, *common, 0, 0, 0, attributes, self._position
        )
        self._directory += name
        self.write(_LOCAL.pack(b"PK\x03\x04", _VERSION, *common) + name)

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
        """What has been written so far."""
        return tuple(self._members)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write directory, facts and footer."""
        columns = {
            "paths": [member.path for member in self._members],
            "executable": [index for index, member in enumerate(self._members) if member.executable],
            "sizes": [member.size for member in self._members],
            "digests": "".join(member.digest for member in self._members),
            "starts": self._starts,
            "directory_starts": self._directory_starts,
            "facts": facts,
        }
        index = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
        tail = bytes(self._directory) + index
        lengths = (self._position, len(self._directory), len(index))
        self._stream.write(tail)
        self._stream.write(_FOOTER.pack(_MAGIC, *lengths, self._hash.digest(), hashlib.sha256(tail).digest()))


def read_segment(file: Path, *, verify: bool) -> Segment:
    """Read a segment's directory and facts; with `verify`, check the members' bytes too.

    Raises `SegmentError` if the file isn't what was written.
    """
    try:
        with file.open("rb") as stream:
            return _read(file, stream, verify=verify)
    except (OSError, struct.error, ValueError, KeyError) as error:
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
    return _from_columns(file, tail[:directory], json.loads(tail[directory:]))


def _digest_of(stream: IO[bytes], length: int) -> bytes:
    digest = hashlib.sha256()
    while length > 0:
        chunk = stream.read(min(length, 1 << 20))
        if not chunk:
            break
        digest.update(chunk)
        length -= len(chunk)
    return digest.digest()


def _from_columns(file: Path, directory: bytes, columns: dict[str, Any]) -> Segment:
    executable = set(columns["executable"])
    digests = columns["digests"]
    return Segment(
        file=file,
        members=tuple(
            Member(path, index in executable, size, digests[64 * index : 64 * index + 64])
            for index, (path, size) in enumerate(zip(columns["paths"], columns["sizes"], strict=True))
        ),
        starts=tuple(columns["starts"]),
        directory=directory,
        directory_starts=tuple(columns["directory_starts"]),
        facts=columns["facts"],
    )
