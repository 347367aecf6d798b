"""Segments → .zip file archive, by concatenation; or → a directory, by unpacking."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import IO

from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.splicing.segment_format import (
    LARGEST_WITHOUT_ZIP64,
    LOCAL_HEADER,
    OFFSET_FIELD,
    Member,
    Segment,
    SegmentFacts,
    pieces,
)

_END = struct.Struct("<4s4H2IH")
_OFFSET = struct.Struct("<I")

# Beyond this the format needs its 64-bit extension, which hasn't been tried on Lambda, as for its number of bytes.
_MOST_ENTRIES = 0xFFFF - 1

_COPY = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Splice:
    """The members of a segment that an archive takes: their indices, in order."""

    segment: Segment
    kept: tuple[int, ...]

    @classmethod
    def whole(cls, segment: Segment) -> Splice:
        """Return a splice with all members."""
        return cls(segment=segment, kept=tuple(range(len(segment.members))))

    @property
    def size(self) -> int:
        """Bytes that the members take in the archive, without their directory records."""
        starts = self.segment.starts
        # Mostly all of them, which end where the data does.
        return starts[-1] if len(self.kept) == len(starts) - 1 else sum(map(self.segment.compressed_size, self.kept))

    @property
    def directory_size(self) -> int:
        """Bytes of their records in the archive's directory."""
        starts = self.segment.directory_starts
        if len(self.kept) == len(starts) - 1:
            return starts[-1]
        return sum(starts[index + 1] - starts[index] for index in self.kept)


def zip_size(splices: Sequence[Splice]) -> int:
    """Return the bytes of the .zip file archive that `write_zip` writes.

    Example:
        `zip_size(layout.splices)`
    """
    return sum(splice.size + splice.directory_size for splice in splices) + _END.size


class Series:
    """Segments one after the other: the files of one owner. A wheel has one segment, and the user's own files have one for each batch.

    Example:
        `Series(segment).members == segment.members`
    """

    def __init__(self, *segments: Segment) -> None:
        """Take the segments in their order."""
        self.segments = segments

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The members of all segments, in order."""
        if len(self.segments) == 1:
            return self.segments[0].members
        return tuple(chain.from_iterable(segment.members for segment in self.segments))

    @cached_property
    def facts(self) -> SegmentFacts:
        """The facts about the files. Only a wheel has others than those of its binaries."""
        if len(self.segments) == 1:
            return self.segments[0].facts
        return SegmentFacts(binaries={path: one for part in self.segments for path, one in part.facts.binaries.items()})

    @cached_property
    def key(self) -> str:
        """What says which segments these are; of a wheel, the key of its segment in the store."""
        return self.segments[0].key if len(self.segments) == 1 else key_of([segment.key for segment in self.segments])

    def splices(self, kept: Sequence[int]) -> Iterator[Splice]:
        """Yield the splices that take some of the members, given by their indices in order."""
        first = taken = 0
        for segment in self.segments:
            end = first + len(segment.members)
            begin, taken = taken, bisect_left(kept, end, taken)
            if taken - begin == end - first:
                yield Splice.whole(segment)
            elif taken > begin:
                yield Splice(segment=segment, kept=tuple(index - first for index in kept[begin:taken]))
            first = end

    def read(self, index: int) -> bytes:
        """Return the uncompressed content of a member."""
        for segment in self.segments:
            if index < len(segment.members):
                return read_member(segment, index)
            index -= len(segment.members)
        raise IndexError(index)


def write_zip(splices: Sequence[Splice], stream: IO[bytes]) -> None:
    """Write the .zip file archive to a stream that is a real file; memory doesn't grow with the content.

    Raises `OutputError` for more files or bytes than the plain .zip format allows.

    Example:
        ```python
        with Path("orders.zip").open("wb") as stream:
            write_zip(layout.splices, stream)
        ```
    """
    entries = sum(len(splice.kept) for splice in splices)
    _refuse_beyond_format(entries, sum(splice.size for splice in splices))
    directory, position = [], 0
    for splice in splices:
        records, position = _relocate(splice, position)
        directory.append(records)
        _copy_members(splice, stream)
    length = sum(map(len, directory))
    stream.writelines(directory)
    stream.write(_END.pack(b"PK\x05\x06", 0, 0, entries, entries, length, position, 0))


def _refuse_beyond_format(entries: int, size: int) -> None:
    if entries > _MOST_ENTRIES or size > LARGEST_WITHOUT_ZIP64:
        raise OutputError(
            f"The package has {entries:,} files and {size:,} bytes; a .zip file archive holds up to "
            f"{_MOST_ENTRIES:,} files and 4 GiB, and its 64-bit extension is untested on Lambda. Exclude some."
        )


def _relocate(splice: Splice, position: int) -> tuple[bytes, int]:
    """Return the directory records of the kept members for data that begins at `position`, and the data's end."""
    segment, starts = splice.segment, splice.segment.starts
    if len(splice.kept) == len(segment.members):
        records = bytearray(segment.directory)
        for at, start in zip(segment.directory_starts, starts[:-1], strict=False):
            _OFFSET.pack_into(records, at + OFFSET_FIELD, position + start)
        return bytes(records), position + starts[-1]
    records = bytearray()
    for index in splice.kept:
        at = len(records)
        records += segment.directory[segment.directory_starts[index] : segment.directory_starts[index + 1]]
        _OFFSET.pack_into(records, at + OFFSET_FIELD, position)
        position += segment.compressed_size(index)
    return bytes(records), position


def _copy_members(splice: Splice, stream: IO[bytes]) -> None:
    stream.flush()
    # Nothing is read here that a buffer would help with.
    with splice.segment.file.open("rb", buffering=0) as source:
        for start, end in _runs(splice):
            _copy(source, stream, start, end)
    stream.seek(0, os.SEEK_END)


def _runs(splice: Splice) -> list[tuple[int, int]]:
    """Return the byte ranges of the kept members, neighbours joined."""
    starts, runs, begin, end = splice.segment.starts, [], 0, 0
    for index in splice.kept:
        if starts[index] != end:
            runs.append((begin, end))
            begin = starts[index]
        end = starts[index + 1]
    return [*runs, (begin, end)]


def _copy(source: FileIO, target: IO[bytes], start: int, end: int) -> None:
    """Copy a byte range from a file to the position of another."""
    # Without bringing it into this process, as far as the system can.
    copy = getattr(os, "copy_file_range", None)
    with contextlib.suppress(OSError):
        while copy and start < end and (copied := copy(source.fileno(), target.fileno(), end - start, start)):
            start += copied
    while start < end:
        os.lseek(source.fileno(), start, os.SEEK_SET)
        piece = os.read(source.fileno(), min(_COPY, end - start))
        if not piece:
            raise OutputError(f"{source.name} ended early; clear the cache and package again.")
        start += os.write(target.fileno(), piece)


def write_tree(splices: Sequence[Splice], directory: Path) -> None:
    """Unpack the files of the .zip into an existing, empty directory.

    Example:
        `write_tree(layout.splices, folder)`
    """
    for splice in splices:
        with splice.segment.file.open("rb") as source:
            for index in splice.kept:
                _unpack(splice.segment, index, source, directory)


def read_member(segment: Segment, index: int) -> bytes:
    """Return the uncompressed content of a segment's member.

    Example:
        `read_member(segment, 0)` is the content of `segment.members[0]`.
    """
    with segment.file.open("rb") as source:
        return b"".join(_content(segment, index, source))


def read_metadata(series: Series | None) -> str:
    """Return the METADATA of a distribution by its files; "" for none, and for files that aren't a wheel's.

    Example:
        `read_metadata(layout.owned["six==1.17.0"])`
    """
    if series is None:
        return ""
    path = f"{series.facts.dist_info}/METADATA"
    found = (index for index, member in enumerate(series.members) if member.path == path)
    index = next(found, None)
    return series.read(index).decode(errors="replace") if index is not None else ""


def _unpack(segment: Segment, index: int, source: IO[bytes], directory: Path) -> None:
    member = segment.members[index]
    path = directory / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        for chunk in _content(segment, index, source):
            target.write(chunk)
    path.chmod(member.mode)


def read_header(source: IO[bytes], start: int) -> dict[str, int]:
    """Return `method`, `crc`, `compressed` and `size` of the member that starts there, and go on to its stream."""
    source.seek(start)
    header = LOCAL_HEADER.unpack(source.read(LOCAL_HEADER.size))
    source.seek(header[9] + header[10], os.SEEK_CUR)
    return {"method": header[3], "crc": header[6], "compressed": header[7], "size": header[8]}


def _content(segment: Segment, index: int, source: IO[bytes]) -> Iterator[bytes]:
    header = read_header(source, segment.starts[index])
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if header["method"] else None
    for piece in pieces(source, header["compressed"]):
        yield inflate.decompress(piece) if inflate else piece
