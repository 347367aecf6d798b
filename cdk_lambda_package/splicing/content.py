"""Members made from content: the user's own files, and what of a wheel can't be copied as it is."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import IO

import deflate

from cdk_lambda_package.splicing.segment import DEFLATED, STORED, Member, SegmentWriter

Opener = Callable[[], IO[bytes]]
"""Opens a member's content from its beginning; called more than once for content that is too large to hold."""

# libdeflate's output is a function of its version, the level and the input, on every host; zlib's isn't, because
# CPython on Windows and Linux distributions replace it by zlib-ng. It has no streaming interface, so what is larger
# than this many bytes goes in uncompressed: the memory that packaging takes stays the same whatever it packages.
LARGEST_COMPRESSED = 16 * 1024 * 1024
_LEVEL = 6
COMPRESSOR = "libdeflate of deflate 0.9, level 6"
"""What the bytes of compressed members depend on besides their content."""

CHUNK = 1 << 18


class ContentChangedError(Exception):
    """The content was another when it was read again."""


def write_bytes(writer: SegmentWriter, path: str, content: bytes, *, executable: bool = False) -> None:
    """Add a member with this content, compressed if that makes it smaller."""
    stream = bytes(deflate.deflate_compress(content, _LEVEL)) if content else b""
    method = DEFLATED if len(stream) < len(content) else STORED
    data = stream if method == DEFLATED else content
    crc = zlib.crc32(content)
    writer.begin(path, executable=executable, method=method, crc=crc, compressed=len(data), size=len(content))
    writer.write(data)
    writer.end(Member(path, executable, len(content), hashlib.sha256(content).hexdigest()))


def write_content(writer: SegmentWriter, path: str, open_content: Opener, *, size: int, executable: bool) -> str:
    """Add a member with the content that `open_content` gives, and return the content's sha256 (hex)."""
    if size <= LARGEST_COMPRESSED:
        with open_content() as stream:
            content = stream.read(LARGEST_COMPRESSED + 1)
        write_bytes(writer, path, content, executable=executable)
        return hashlib.sha256(content).hexdigest()
    return _write_stored(writer, path, open_content, executable=executable)


def _write_stored(writer: SegmentWriter, path: str, open_content: Opener, *, executable: bool) -> str:
    # The header in front of the data has the CRC and the size, hence two passes.
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
