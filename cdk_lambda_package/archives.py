"""Reading .zip file archives that others made, and that may be anything."""

from __future__ import annotations

import contextlib
import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.errors import shorten

# What zipfile and its decompressors raise for invalid bytes. RuntimeError: an encrypted member, a method that isn't known.
# IndexError: a member without a name. OSError: a position before the file's beginning.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class ArchiveError(Exception):
    """An archive, or a member of one, is no valid .zip file; the text is a clause that says why."""


@contextlib.contextmanager
def reading_archive() -> Iterator[None]:
    """Turn what zipfile raises in the block for invalid bytes into `ArchiveError`; the block does nothing else.

    What a disk says, such as that it is full, passes as `OSError`.
    """
    try:
        yield
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ArchiveError(shorten(str(error)).rstrip(".") or type(error).__name__) from error


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive for a block that only reads it. Raises `ArchiveError`, and `OSError` for a file that can't be read.

    Example:
        `with open_archive(path) as archive: names = archive.namelist()`
    """
    with reading_archive(), zipfile.ZipFile(path) as archive:
        yield archive
