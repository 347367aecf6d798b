"""Which entries of a store are in use, so that no other process removes what a build has still to read.

A process that uses entries has a directory of its own in the store's folder for unfinished work:

    v1/tmp/<pid>-<random>/lock     locked as long as the process lives
    v1/tmp/<pid>-<random>/used     the entries that it uses, a line each: `segments/<key>`
    v1/tmp/<pid>-<random>/…        its unfinished files
    v1/tmp/removal                 locked while a process removes entries

A process notes an entry first and looks for `removal` then; one that removes makes `removal` first and reads the notes then.
So either the note is seen, or the process that made it waits until all is removed that it was too late for, and finds out
that the entry is gone before it relies on it. Where there are no locks, directories and notes count for a day.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.file_locks import acquire, held

_LOCK, _NOTES, _REMOVAL = "lock", "used", "removal"

# Seconds after which an unfinished file is taken to be that of a killed process, where no lock tells.
_ABANDONED = 24 * 3600


class Use:
    """The directory of this process in a folder for unfinished work, and the entries that it uses.

    With a `prefix`, the folder has other things too, and only directories with names that begin so are looked at. `OSError`
    reaches the caller if the directory can't be made.

    Example:
        `Use(base / "tmp").note("segments/4f1a…")`
    """

    def __init__(self, folder: Path, *, prefix: str = "", mode: int = 0o777) -> None:
        sweep(folder, prefix=prefix)
        self._folder, self._prefix = folder, prefix
        self.directory = folder / f"{prefix}{os.getpid()}-{os.urandom(8).hex()}"
        if not prefix:
            # The other folder, that for temporary files, is the system's to make.
            folder.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(mode)
        try:
            self._lock: int | None = acquire(self.directory / _LOCK)
        except (OSError, ImportError):
            self._lock = None
        # Only now: a directory that has notes and a free lock is a dead process's.
        self._stream = (self.directory / _NOTES).open("ab", buffering=0)
        self._names: set[str] = set()
        self._process = os.getpid()
        self._one_at_a_time = threading.Lock()

    def note(self, name: str) -> None:
        """Let no other process remove an entry from now on; look whether it exists afterwards."""
        with self._one_at_a_time:
            if name in self._names:
                return
            # A full disk doesn't keep anybody from reading.
            with contextlib.suppress(OSError):
                self._stream.write(f"{name}\n".encode())
            removal = self._folder / _REMOVAL
            if os.path.lexists(removal):
                with held(removal, doing="uses the store"):
                    pass
            self._names.add(name)

    def close(self) -> None:
        """Give all entries back, and remove the directory with everything in it."""
        if os.getpid() != self._process:
            # A copy of the process that made it.
            return
        self._stream.close()
        # Without its notes, it isn't taken for a dead process's.
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if not self._prefix:
            with contextlib.suppress(OSError):
                self._folder.rmdir()


@contextlib.contextmanager
def removing(folder: Path, doing: str, *, own: Use | None = None) -> Iterator[set[str]]:
    """Yield the entries that other processes use; none is added to them before the block ends.

    Example:
        `with removing(base / "tmp", "clears the store") as used: …`
    """
    with held(folder / _REMOVAL, doing=doing):
        sweep(folder)
        yield set().union(*(_notes(one) for one in _directories(folder) if own is None or one != own.directory))
    with contextlib.suppress(OSError):
        folder.rmdir()


def sweep(folder: Path, *, prefix: str = "") -> None:
    """Remove what dead processes left in a folder for unfinished work."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name.startswith(prefix) and path.name != _REMOVAL and _is_abandoned(path):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _directories(folder: Path) -> Iterator[Path]:
    """Yield the directories of living processes."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if os.path.lexists(path / _NOTES) and not _is_abandoned(path):
            yield path


def _notes(directory: Path) -> set[str]:
    try:
        return set((directory / _NOTES).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        # It ended just now.
        return set()


def _is_abandoned(path: Path) -> bool:
    try:
        if os.path.lexists(path / _NOTES) and os.path.lexists(path / _LOCK):
            descriptor = acquire(path / _LOCK, create=False)
            if descriptor is not None:
                os.close(descriptor)
            return descriptor is not None
    except FileNotFoundError:
        # Its process has just removed it.
        return False
    except (OSError, ImportError):
        # No locks here.
        pass
    try:
        return path.lstat().st_mtime < time.time() - _ABANDONED
    except OSError:
        return False
