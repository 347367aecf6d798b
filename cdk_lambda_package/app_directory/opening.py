"""Opening the user's files: only a file that was listed is read, whatever is put in its place meanwhile.

Where the system can (POSIX), each part of the path is opened relative to the opened folder above it, and none is followed if it is
a symbolic link: https://pubs.opengroup.org/onlinepubs/9799919799/functions/open.html, `openat` with O_NOFOLLOW. So a folder or
file that is replaced by a link to elsewhere is never read. Everywhere, what was opened is compared with what was listed: device,
file number, size and modification time.

A difference is a `ChangedFileError`. Listing again shows the file as it is now, and `settled` does that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from cdk_lambda_package.errors import ChangedFileError

T = TypeVar("T")

_BY_PARTS = hasattr(os, "O_NOFOLLOW") and os.open in os.supports_dir_fd
# Opening a FIFO never waits for a writer.
_NO_LINK = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if _BY_PARTS else 0
_ROOT = os.O_CLOEXEC | os.O_DIRECTORY if _BY_PARTS else 0
_FOLDER = _ROOT | _NO_LINK

# Errors of a part that is gone, has become a link (EMLINK on FreeBSD), a file, or a socket.
_CHANGES = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ESTALE}

RELISTINGS = 2
"""How often files are listed again because one of them changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file: `path` below the walked directory, with forward slashes; `source` and `stat` of what it resolves to.

    `root` is the folder below which no part of `source` is a link: the walked directory, or where a followed link leads.
    """

    path: str
    source: str
    root: str
    stat: os.stat_result

    @classmethod
    def of(cls, path: Path) -> FoundFile:
        """Return a file that was named, not found in a listing; links are resolved. `OSError` reaches the caller."""
        source, found = os.path.abspath(path), os.lstat(path)  # noqa: PTH100 - each costs an unchanged package time
        if stat.S_ISLNK(found.st_mode):
            # Only then: the system follows the links above a file by itself.
            source = os.path.realpath(path)
            found = Path(source).stat()
        return cls(path=path.name, source=source, root=os.path.dirname(source), stat=found)  # noqa: PTH120


def stat_entry(entry: os.DirEntry[str]) -> os.stat_result:
    """Return the stat result of an entry of a folder, of a link its own. `OSError` reaches the caller.

    Example:
        `[stat_entry(entry) for entry in os.scandir(folder)]`
    """
    # A directory of Windows has neither device nor file number, and perhaps an old size.
    return os.lstat(entry.path) if os.name == "nt" else entry.stat(follow_symlinks=False)


class OpenFolder:
    """Opens files that were listed; the folder of the last one stays open, so that its neighbours cost one call each.

    Example:
        ```python
        with OpenFolder() as folder:
            for file in listing.files:
                with folder.open(file.root, file.source, file.stat) as stream:
                    digest.update(stream.read())
        ```
    """

    def __init__(self) -> None:
        self._root = self._path = ""
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the folder."""
        self._close()

    def open(self, root: str, source: str, listed: os.stat_result | None = None) -> BufferedReader:
        """Open the file `source` for reading. No part of its path below `root` may be a link.

        Raises `ChangedFileError` if it isn't a regular file or not the one whose stat result was `listed`; without that, the
        caller compares the content. Another `OSError` reaches the caller.
        """
        try:
            # The stream takes the descriptor over, and refuses a folder.
            stream = open(source, "rb", opener=self._opener(root) if _BY_PARTS else None)  # noqa: SIM115
        except OSError as error:
            if error.errno in _CHANGES or isinstance(error, IsADirectoryError):
                raise ChangedFileError(source) from error
            raise
        if not _is_listed(os.fstat(stream.fileno()), listed):
            stream.close()
            raise ChangedFileError(source)
        return stream

    def _opener(self, root: str) -> Callable[[str, int], int]:
        def open_below(source: str, flags: int) -> int:
            folder, name = os.path.split(source)
            self._enter(root or folder, folder)
            return os.open(name, flags | _NO_LINK, dir_fd=self._descriptor)

        return open_below

    def _enter(self, root: str, folder: str) -> None:
        """Make `folder`, which is `root` or below it, the open one."""
        if (root, folder) == (self._root, self._path):
            return
        try:
            if root != self._root or not is_below(folder, self._path):
                self._go(os.open(root, _ROOT))
                self._root = self._path = root
            for name in filter(None, folder[len(self._path) :].split("/")):
                self._go(os.open(name, _FOLDER, dir_fd=self._descriptor))
        except OSError:
            self._close()
            raise
        self._path = folder

    def _go(self, descriptor: int) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor

    def _close(self) -> None:
        self._go(-1)
        self._root = self._path = ""


def open_listed(root: str, source: str, listed: os.stat_result | None = None) -> BufferedReader:
    """Open one file that was listed, as `OpenFolder.open` does.

    Example:
        `open_listed(file.root, file.source, file.stat)`
    """
    with OpenFolder() as folder:
        return folder.open(root, source, listed)


def is_below(path: str, folder: str) -> bool:
    """Tell whether an absolute path is that of a folder, or of something in it; links aren't resolved.

    Example:
        True for `is_below("/orders/app.py", "/orders")`, False for `is_below("/orders-2", "/orders")`.
    """
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else f"{folder}{os.sep}")


def settled(work: Callable[[], T]) -> T:
    """Return the result of work that lists and reads files; it starts again, twice at most, if one of them changed.

    Example:
        `settled(lambda: read_app(entry, Selection(), read_facts))`
    """
    for _ in range(RELISTINGS):
        with contextlib.suppress(ChangedFileError):
            return work()
    return work()


def _is_listed(opened: os.stat_result, listed: os.stat_result | None) -> bool:
    if not stat.S_ISREG(opened.st_mode):
        return False
    return listed is None or _identity(opened) == _identity(listed)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
