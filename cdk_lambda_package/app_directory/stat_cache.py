"""Remember what was read of a file, as long as its stat result says that it is the same, as git's index does."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from cdk_lambda_package.app_directory.app import FactsReader, FileFacts
from cdk_lambda_package.store import Store

_KIND = "stats"

# A file changed twice within one tick of the file system's clock keeps its stat result. What was touched this
# shortly before it was read is read again the next time; the coarsest clock in use, FAT's, ticks every two seconds.
_RACY_NS = 2_000_000_000

_Row = list[int | str | bool]


def signature(found: os.stat_result) -> list[int]:
    """Return what changes whenever a file's content does; the change time can't be set back by a program."""
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


class StatCache:
    """Facts of the files below one directory, kept in the store.

    `purpose` tells apart who looks at which of a directory's files: what one forgets, another still needs.
    """

    def __init__(
        self, store: Store, directory: Path, now_ns: Callable[[], int] = time.time_ns, *, purpose: str = ""
    ) -> None:
        self._store = store
        self._key = hashlib.sha256(os.fsencode(directory.absolute() / purpose)).hexdigest()
        self._now_ns = now_ns
        self._known: dict[str, _Row] = _parse(store.read(_KIND, self._key))
        self._current: dict[str, _Row] = {}

    def reader(self, read: FactsReader) -> FactsReader:
        """Return a reader that asks `read` only for files that are new or changed."""

        def read_changed(path: str, found: os.stat_result) -> FileFacts:
            stamp = signature(found)
            row = self._known.get(path)
            if row is None or row[:4] != stamp:
                began = self._now_ns()
                row = [*stamp, *read(path, found)]
                if max(found.st_mtime_ns, found.st_ctime_ns) > began - _RACY_NS:
                    return FileFacts(str(row[4]), bool(row[5]), bool(row[6]))
            self._current[path] = row
            return FileFacts(str(row[4]), bool(row[5]), bool(row[6]))

        return read_changed

    def save(self) -> None:
        """Keep what was learnt, if anything was; files that are gone are forgotten."""
        if self._current != self._known:
            self._store.write(json.dumps(self._current).encode(), _KIND, self._key)


def _parse(content: bytes | None) -> dict[str, _Row]:
    return json.loads(content) if content else {}
