"""Segments in the store: found there, or made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from cdk_lambda_package.app_directory import AppFile, Batch, FileStamp, OpenFolder, file_stamp
from cdk_lambda_package.binaries import examine_file
from cdk_lambda_package.errors import ChangedFileError, ContentError, HostError, explain_os_errors
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.progress import Step, name_file
from cdk_lambda_package.splicing.archive import Splice, read_header
from cdk_lambda_package.splicing.segment_format import (
    RecordFile,
    Segment,
    SegmentError,
    SegmentFacts,
    SegmentWriter,
    pieces,
    read_segment,
    write_bytes,
    write_content,
)
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import LARGEST_PACKAGE
from cdk_lambda_package.workers import core_count

_KIND = "segments"

# Bytes of a segment that is verified whenever it is read.
_SMALL = 1 << 15

METADATA = "metadata"
"""Records of this kind have a wheel's METADATA under its sha256."""

# Raise them whenever splicing or compressing makes something else of the same input.
_WHEEL_FORMAT, _FILES_FORMAT, _BATCH_FORMAT = "wheel 12", "files 8", "batch 2"
_RECORDS_FORMAT, _BELOW_FORMAT = "records 1", "below 1"


@remembered("verified", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Verified:
    """The stamp of a segment's file that was written or verified here.

    A change of the file, and a copy of it, has another change time; then every byte is checked once more.
    """

    stamp: FileStamp

    @classmethod
    def of(cls, file: Path) -> _Verified:
        """Return the record for a file as it is now."""
        return cls(stamp=file_stamp(file.stat()))


def wheel_segments(wheels: Mapping[str, Path], store: Store, step: Step | None = None) -> dict[str, Segment]:
    """Return the segment of each wheel by the wheel's sha256.

    The `step` is told of each wheel that is done.

    Raises `WheelError` for a wheel that can't be spliced.

    Example:
        `wheel_segments({sha256: Path("six-1.17.0-py2.py3-none-any.whl")}, store)[sha256].facts.units` is `("six",)`.
    """
    # Imported here: an unchanged set of wheels needs no threads.
    from concurrent.futures import ThreadPoolExecutor

    sizes = {sha256: wheel.stat().st_size for sha256, wheel in wheels.items()} if step else {}
    if step:
        step.expect({name_file(wheels[sha256].name): size for sha256, size in sizes.items()})

    def segment_of(sha256: str) -> Segment:
        segment = _wheel_segment(sha256, wheels[sha256], store)
        if step:
            step.transfer(name_file(wheels[sha256].name), sizes[sha256], sizes[sha256])
        return segment

    # zlib and hashlib release the interpreter's lock while they work, so threads use all cores.
    with ThreadPoolExecutor(max_workers=min(8, core_count())) as pool:
        return dict(zip(wheels, pool.map(segment_of, wheels), strict=True))


def large_members(wheel: Path) -> dict[str, int]:
    """Return the files of a wheel that are above Lambda's limit by themselves, by path, with their sizes in bytes.

    Raises `WheelError` for a wheel that can't be spliced.

    Example:
        `large_members(Path("nvidia_nccl_cu12-2.27.5-py3-none-manylinux2014_x86_64.whl"))`
    """
    # Imported here: an unchanged set of wheels needs no reader of wheels.
    from cdk_lambda_package.splicing.wheels import find_members

    return find_members(wheel, above=LARGEST_PACKAGE)


def find_wheel_segment(sha256: str, store: Store) -> Segment | None:
    """Return a wheel's segment; None if the store doesn't have it whole.

    Example:
        `find_wheel_segment(wheel.sha256, store)`
    """
    return _find(key_of(_WHEEL_FORMAT, sha256), store)


def _wheel_segment(sha256: str, wheel: Path, store: Store) -> Segment:
    # Imported here: an unchanged set of wheels needs no reader of wheels.
    from cdk_lambda_package.splicing.wheels import read_metadata_file, splice

    key = key_of(_WHEEL_FORMAT, sha256)
    segment = _find_or_make(key, lambda stream: splice(wheel, stream), store)
    store.write(read_metadata_file(wheel, str(segment.facts.dist_info)), METADATA, sha256)
    return segment


def batch_segments(batches: Sequence[Batch], store: Store) -> tuple[Segment, ...]:
    """Return the segments of batches of the user's own files, in their order.

    Raises as `files_segment` does.

    Example:
        `batch_segments(app.own.batches, store)[0].members`
    """
    # Not in threads: files of a few kilobytes keep them waiting for each other, so that two take as long as one.
    return tuple(_batch_segment(batch, store) for batch in batches)


def _batch_segment(batch: Batch, store: Store) -> Segment:
    key = key_of(_BATCH_FORMAT, batch.digest)
    return _find_or_make(key, lambda stream: _write_files(batch.files, stream), store)


def files_segment(files: Sequence[AppFile], store: Store) -> Segment:
    """Return the segment of the user's own files.

    Raises `ChangedFileError` if one of them is another one by now, or changes at the same time.

    Example:
        `files_segment(app.files, store).members`
    """
    return _find_or_make(key_of(_FILES_FORMAT, files), lambda stream: _write_files(files, stream), store)


def find_files_segment(files: Sequence[AppFile], store: Store) -> Segment | None:
    """Return the segment of files that may no longer exist; None if the store doesn't have it whole.

    Example:
        `find_files_segment(app.files, store)`
    """
    return _find(key_of(_FILES_FORMAT, files), store)


def _write_files(files: Iterable[AppFile], stream: IO[bytes]) -> None:
    writer, binaries = SegmentWriter(stream), {}
    with OpenFolder() as folder:
        for file in files:
            try:
                with folder.open(file.root, file.source) as content:
                    member = write_content(writer, file.path, content, size=file.size, executable=file.executable)
                    content.seek(0)
                    facts = examine_file(file.path, content)
            except OSError as error:
                raise ContentError([f"{file.source!r} can't be read any more: {error}. Package again."]) from error
            if member.digest != file.digest:
                raise ChangedFileError(file.source)
            if facts is not None:
                binaries[file.path] = facts
    writer.finish(SegmentFacts(binaries=binaries))


def records_segment(records: Sequence[RecordFile], store: Store) -> Segment:
    """Return the segment of RECORD files that were written anew.

    Example:
        `records_segment(tree.records, store)`
    """
    return made_segment(key_of(_RECORDS_FORMAT, records), lambda: records, store)


def made_segment(key: str, make: Callable[[], Iterable[tuple[str, bytes]]], store: Store) -> Segment:
    """Return the segment of files that `make` returns by path, unless the store has it under this key.

    Example:
        `made_segment(key_of("greeting 1"), lambda: [("hello.txt", b"hello")], store).members[0].path` is "hello.txt".
    """

    def write(stream: IO[bytes]) -> None:
        writer = SegmentWriter(stream)
        for path, content in make():
            write_bytes(writer, path, content)
        writer.finish(SegmentFacts())

    return _find_or_make(key, write, store)


def below(splice: Splice, folder: str, store: Store) -> Splice:
    """Return the members that a splice takes with their paths below a folder, such as a layer's `python`.

    Example:
        `below(splice, "python", store).segment.members[0].path` is `"python/app.py"`.
    """
    segment = splice.segment
    key = key_of(_BELOW_FORMAT, folder, segment.key, splice.kept)
    return Splice.whole(_find_or_make(key, lambda stream: _copy_below(splice, folder, stream), store))


def _copy_below(splice: Splice, folder: str, stream: IO[bytes]) -> None:
    segment, writer = splice.segment, SegmentWriter(stream)
    with segment.file.open("rb") as source:
        for index in splice.kept:
            member, header = segment.members[index], read_header(source, segment.starts[index])
            writer.begin(f"{folder}/{member.path}", executable=member.executable, **header)
            for piece in pieces(source, header["compressed"]):
                writer.write(piece)
            writer.end(member.digest)
    writer.finish(SegmentFacts())


class Part(NamedTuple):
    """What an archive takes of a segment, as a record has it: the segment's key, and ranges of the members' indices; None means all."""

    segment: str
    kept: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def of(cls, splice: Splice) -> Part:
        """Return the part that a splice takes.

        Example:
            `Part.of(Splice.whole(segment)).kept` is None.
        """
        if len(splice.kept) == len(splice.segment.members):
            return cls(splice.segment.key)
        ranges: list[tuple[int, int]] = []
        for index in splice.kept:
            begin = ranges.pop()[0] if ranges and ranges[-1][1] == index else index
            ranges.append((begin, index + 1))
        return cls(splice.segment.key, tuple(ranges))

    def splice(self, segment: Segment) -> Splice:
        """Return what it takes of its segment."""
        if self.kept is None:
            return Splice.whole(segment)
        return Splice(segment=segment, kept=tuple(index for kept in self.kept for index in range(*kept)))


def find_splices(parts: Iterable[Part], store: Store) -> tuple[Splice, ...] | None:
    """Return the splices that an archive was written of; None if the store doesn't have all of their segments whole.

    Example:
        `find_splices([Part.of(splice) for splice in archive.splices], store)`
    """
    found: list[Splice] = []
    for part in parts:
        segment = _find(part.segment, store)
        if segment is None:
            return None
        found.append(part.splice(segment))
    return tuple(found)


def _find_or_make(key: str, write: Callable[[IO[bytes]], None], store: Store) -> Segment:
    found = _find(key, store)
    if found is not None:
        return found
    with store.claims.alone((_KIND, key)):
        return _find(key, store) or _make(key, write, store)


def _make(key: str, write: Callable[[IO[bytes]], None], store: Store) -> Segment:
    with explain_os_errors(store.root):
        path = store.add(write, _KIND, key)
        verified = _Verified.of(path)
        if verified.stamp.size > _SMALL:
            store.remember(verified, key)
        try:
            return read_segment(path, verify=False)
        except SegmentError as error:
            raise HostError(
                f"The store in {str(store.root)!r} doesn't have what was just written to it: {error}. If another program removes "
                "or changes its files, try again; else choose another directory for it."
            ) from error


def _find(key: str, store: Store) -> Segment | None:
    path = store.find(_KIND, key)
    if path is None:
        return None
    try:
        verified = _Verified.of(path)
        known: tuple[_Verified, Segment] | None = store.recent.get((_KIND, key))
        if known is not None and known[0] == verified:
            return known[1]
        # To read a small one is less work than to read what is known of it.
        is_small = verified.stamp.size <= _SMALL
        trusted = not is_small and store.recall(_Verified, key) == verified
        segment = read_segment(path, verify=not trusted)
    except (OSError, SegmentError):
        store.remove(_KIND, key)
        return None
    if not trusted and not is_small:
        store.remember(verified, key)
    _keep(segment, verified, store)
    return segment


def _keep(segment: Segment, verified: _Verified, store: Store) -> None:
    """Keep a wheel's segment for the other packages of this process that have it."""
    if segment.facts.dist_info is not None:
        # The index has about twice the bytes of the directory.
        store.recent.put((_KIND, segment.key), (verified, segment), weight=3 * len(segment.directory))
