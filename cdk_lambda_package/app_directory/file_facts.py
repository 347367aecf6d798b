"""Facts of files, remembered for as long as their stat results say that the files are the same, as git's index does."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.chalice import imports_chalice
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.store import Store, remembered

# A file changed twice within one tick of the file system's clock keeps its stat result. A file that was touched this
# shortly before it was read is read again the next time; the coarsest clock in use, FAT's, ticks every two seconds.
_RACY_NS = 2_000_000_000


class FileFacts(NamedTuple):
    """Facts of a file's content: sha256 (hex), whether Lambda should execute it, whether it imports chalice."""

    digest: str
    executable: bool
    imports_chalice: bool


class FileStamp(NamedTuple):
    """The fields of a stat result that change whenever the content does; programs can't set the change time back."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


FactsReader = Callable[[str, os.stat_result], FileFacts]
"""Returns the facts of the file at a path; the caller gives its stat result."""


def file_stamp(found: os.stat_result) -> FileStamp:
    """Return the stamp of a file; as long as it stays the same, so does the content.

    Example:
        `file_stamp(path.stat()) == known` tells whether a file is unchanged.
    """
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def read_facts(path: str, _: os.stat_result) -> FileFacts:
    """Read a file for its facts; the `FactsReader` that remembers nothing. `OSError` reaches the caller.

    Example:
        `read_facts("app.py", os.stat("app.py")).digest`
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        first = stream.read(1 << 20)
        chunk = first
        while chunk:
            digest.update(chunk)
            chunk = stream.read(1 << 20)
    # Not the host's mode: a checkout on Windows has no x bits.
    executable = first.startswith((b"#!", b"\x7fELF"))
    return FileFacts(digest.hexdigest(), executable, path.endswith(".py") and imports_chalice(first))


@remembered("stats", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class _KnownFiles:
    """The facts that were read from a directory's files, by their absolute paths."""

    files: dict[str, tuple[FileStamp, FileFacts]] = field(default_factory=dict)


class StatCache:
    """Facts of the files below one directory, kept in the store.

    `purpose` separates users of the same directory that look at different files: what one forgets, another still needs.

    Example:
        ```python
        cache = StatCache(store, entry)
        app = read_app(entry, Selection(), cache.reader(read_facts))
        cache.save()
        ```
    """

    def __init__(
        self, store: Store, directory: Path, now_ns: Callable[[], int] = time.time_ns, *, purpose: str = ""
    ) -> None:
        self._store = store
        self._key = key_of(str(directory.absolute()), purpose)
        self._now_ns = now_ns
        self._known = (store.recall(_KnownFiles, self._key) or _KnownFiles()).files
        self._current: dict[str, tuple[FileStamp, FileFacts]] = {}

    def reader(self, read: FactsReader) -> FactsReader:
        """Return a reader that calls `read` only for files that are new or changed."""

        def read_changed(path: str, found: os.stat_result) -> FileFacts:
            stamp, known = file_stamp(found), self._known.get(path)
            if known is None or known[0] != stamp:
                began = self._now_ns()
                known = stamp, read(path, found)
                if max(found.st_mtime_ns, found.st_ctime_ns) > began - _RACY_NS:
                    return known[1]
            self._current[path] = known
            return known[1]

        return read_changed

    def save(self) -> None:
        """Keep what was learnt, if anything was; files that are gone are forgotten."""
        if self._current != self._known:
            self._store.remember(_KnownFiles(files=self._current), self._key)
