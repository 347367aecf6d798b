"""Segments in the store: found there, or made once."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from cdk_lambda_package.app_directory import AppFile, file_stamp
from cdk_lambda_package.errors import ContentError
from cdk_lambda_package.splicing.archive import explain_os_errors
from cdk_lambda_package.splicing.content import ContentChangedError, write_bytes, write_content
from cdk_lambda_package.splicing.segment import Segment, SegmentError, SegmentWriter, read_segment
from cdk_lambda_package.splicing.tree import Record
from cdk_lambda_package.store import Store

_KIND = "segments"

# A segment is trusted while its stat result is that of the file that was written or verified; any change to it,
# and any copy of it, moves the change time, and then every byte is checked once more.
_VERIFIED = "verified"

METADATA = "metadata"
"""Records of this kind have a wheel's METADATA under its sha256."""

# Part of the keys: what splicing or compressing makes of the same input.
_WHEEL_FORMAT, _FILES_FORMAT = "w6", "f4"


def wheel_segments(
    wheels: Mapping[str, Path], store: Store, *, looked_into: Collection[str] = ()
) -> dict[str, Segment]:
    """Return the segment of each wheel by the wheel's sha256; of those in `looked_into` with the facts of binaries.

    Raises `WheelError` for one that can't be spliced.
    """
    from concurrent.futures import ThreadPoolExecutor

    # zlib and hashlib leave the interpreter to others while they work, so threads share the cores.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        segments = pool.map(
            lambda item: _wheel_segment(item[0], item[1], store, look_inside=item[0] in looked_into), wheels.items()
        )
        return dict(zip(wheels, segments, strict=True))


def find_wheel_segment(sha256: str, store: Store, *, looked_into: bool = False) -> Segment | None:
    """Return a wheel's segment if the store has it whole."""
    return _find(_wheel_key(sha256, looked_into=looked_into), store)


def _wheel_key(sha256: str, *, looked_into: bool) -> str:
    return f"{_WHEEL_FORMAT}{'b' if looked_into else ''}-{sha256}"


def _wheel_segment(sha256: str, wheel: Path, store: Store, *, look_inside: bool) -> Segment:
    from cdk_lambda_package.splicing.wheels import read_metadata_file, splice

    key = _wheel_key(sha256, looked_into=look_inside)
    segment = _find_or_make(key, lambda stream: splice(wheel, stream, look_inside=look_inside), store)
    store.write(read_metadata_file(wheel, str(segment.facts["dist_info"])), METADATA, sha256)
    return segment


def files_segment(files: Sequence[AppFile], store: Store) -> Segment:
    """Return the segment of the user's own files.

    Raises `ContentError` if one of them is changed meanwhile.
    """
    return _find_or_make(_files_key(files), lambda stream: _write_files(files, stream), store)


def find_files_segment(files: Sequence[AppFile], store: Store) -> Segment | None:
    """Return the segment of such files if the store has it whole; they needn't exist any more."""
    return _find(_files_key(files), store)


def _files_key(files: Iterable[AppFile]) -> str:
    rows = [[file.path, file.executable, file.digest] for file in files]
    return f"{_FILES_FORMAT}-{hashlib.sha256(json.dumps(rows).encode()).hexdigest()}"


def _write_files(files: Iterable[AppFile], stream: IO[bytes]) -> None:
    # Imported here: an unchanged package writes nothing.
    from cdk_lambda_package.binaries.files import examine_file

    writer, binaries = SegmentWriter(stream), {}
    for file in files:
        source = Path(file.source)
        try:
            digest = write_content(
                writer,
                file.path,
                lambda source=source: source.open("rb"),  # type: ignore[misc]
                size=file.size,
                executable=file.executable,
            )
            with source.open("rb") as content:
                facts = examine_file(file.path, content)
        except (OSError, ContentChangedError) as error:
            raise ContentError([f"{file.source!r} can't be read any more: {error}. Package again."]) from error
        if digest != file.digest:
            raise ContentError([f"{file.source!r} was changed while it was being packaged. Package again."])
        if facts is not None:
            binaries[file.path] = facts.as_json()
    writer.finish({"binaries": binaries})


def records_segment(records: Sequence[Record], store: Store) -> Segment:
    """Return the segment of RECORD files that were written anew."""
    buffer = io.BytesIO()
    writer = SegmentWriter(buffer)
    for record in records:
        write_bytes(writer, record.path, record.content)
    writer.finish({})
    content = buffer.getvalue()
    key = hashlib.sha256(content).hexdigest()
    return _find_or_make(f"{_FILES_FORMAT}-{key}", lambda stream: _write(stream, content), store)


def _write(stream: IO[bytes], content: bytes) -> None:
    stream.write(content)


def _find_or_make(key: str, write: Callable[[IO[bytes]], None], store: Store) -> Segment:
    found = _find(key, store)
    if found is not None:
        return found
    with explain_os_errors(store.root):
        path = store.add(write, _KIND, key)
    _trust(key, path, store)
    return read_segment(path, verify=False)


def _find(key: str, store: Store) -> Segment | None:
    path = store.find(_KIND, key)
    if path is None:
        return None
    trusted = store.read(_VERIFIED, key) == _stamp(path)
    try:
        segment = read_segment(path, verify=not trusted)
    except SegmentError:
        store.remove(_KIND, key)
        return None
    if not trusted:
        _trust(key, path, store)
    return segment


def _trust(key: str, path: Path, store: Store) -> None:
    store.write(_stamp(path), _VERIFIED, key)


def _stamp(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return json.dumps(file_stamp(path.stat())).encode()
    return b""
