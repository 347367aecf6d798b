"""What is read of files, and what the store remembers of it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cdk_lambda_package.app_directory.folders import (
    FactsReader,
    FileFacts,
    FileStamp,
    FolderMemory,
    KnownFolder,
    file_stamp,
    is_racy,
)
from cdk_lambda_package.app_directory.opening import FoundFile, OpenFolder
from cdk_lambda_package.chalice import imports_chalice
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import HEAD_SIZE

_CHUNK = 1 << 20


@contextlib.contextmanager
def facts_reader() -> Iterator[FactsReader]:
    """Yield a `FactsReader` that remembers nothing. The folder of the last file stays open: its neighbours are opened in it.

    Example:
        ```python
        with facts_reader() as read:
            app = read_app(entry, Selection(), read)
        ```
    """
    with OpenFolder() as folder:
        yield partial(_read_facts, folder)


def read_facts(file: FoundFile) -> FileFacts:
    """Return the facts of one file; the `FactsReader` for a few files. `OSError` reaches the caller.

    Example:
        `read_facts(FoundFile.of(Path("app.py"))).digest`
    """
    with facts_reader() as read:
        return read(file)


def _read_facts(folder: OpenFolder, file: FoundFile) -> FileFacts:
    # Most files are read at once, without memory for a larger one.
    length = min(file.stat.st_size, _CHUNK) + 1
    with folder.open(file.root, file.source, file.stat) as stream:
        first = chunk = stream.read(length)
        digest = hashlib.sha256(first)
        while len(chunk) == length:
            chunk = stream.read(length)
            digest.update(chunk)
    # Not the host's mode: a checkout on Windows has no x bits.
    executable = first.startswith((b"#!", b"\x7fELF"))
    head = first[:HEAD_SIZE] if file.source.endswith(".pyc") else b""
    return FileFacts(digest.hexdigest(), executable, file.source.endswith(".py") and imports_chalice(first), head)


@remembered("stats", version=3)
@dataclass(frozen=True, kw_only=True, slots=True)
class _KnownFiles:
    """The facts that were read from a directory's files, by their absolute paths."""

    files: dict[str, tuple[FileStamp, FileFacts]] = field(default_factory=dict)


class StatCache:
    """Facts of the files below one directory, kept in the store.

    `purpose` separates users of the same directory that look at different files: what one forgets, another still needs.

    Example:
        ```python
        cache = StatCache(store, project, purpose="project")
        facts = map(cache.reader(read_facts), listing.files)
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

        def read_changed(file: FoundFile) -> FileFacts:
            stamp, known = file_stamp(file.stat), self._known.get(file.source)
            if known is None or known[0] != stamp:
                began = self._now_ns()
                known = stamp, read(file)
                if is_racy(stamp, began):
                    return known[1]
            self._current[file.source] = known
            return known[1]

        return read_changed

    def save(self) -> None:
        """Keep what was learnt, if anything was; files that are gone are forgotten."""
        if self._current != self._known:
            self._store.remember(_KnownFiles(files=self._current), self._key)


@remembered("folders", version=1)
@dataclass(frozen=True, slots=True)
class _KnownFolders:
    """The folders of an entry directory as they were listed and read, by the beginnings of their files' paths."""

    folders: dict[str, KnownFolder] = field(default_factory=dict)


class FolderCache:
    """What is known of the folders of an entry directory, kept in the store; `memory` is for `read_app`.

    Example:
        ```python
        cache = FolderCache(store, entry, selection.view)
        app = read_app(entry, selection, read_facts, cache.memory)
        cache.save()
        ```
    """

    def __init__(self, store: Store, entry: Path, view: object, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Take the store, an entry directory, and all by which other files of the same folders are packaged."""
        self._store, self._key = store, key_of(str(entry.absolute()), view)
        known = store.recall(_KnownFolders, self._key)
        self.memory = FolderMemory(known.folders if known is not None else None, now_ns)

    def save(self) -> None:
        """Keep what was learnt, if anything was."""
        if self.memory.has_changed:
            self._store.remember(_KnownFolders(self.memory.current), self._key)
