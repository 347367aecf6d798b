"""Locks between processes: files that one process at a time has locked, until its work is done or the process is gone.

The system frees the lock of a process that ends, however it ends. Locks only prevent work that is done twice, so where a file
system has none, or the file can't be written, work goes on without. pip's own process imports this module too, so it imports
only the standard library, and filelock where a lock is taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 2.0
"""Seconds after which a waiting process says whom it waits for."""

_POLL = 0.05
# Windows has no such flags, and there a lock file can't be a link or a pipe that another user made.
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def lock_name(*parts: str) -> str:
    """Return the name of the file that is locked for what these texts name.

    Example:
        `lock_name("builds", key)`
    """
    return f"lock-{hashlib.sha256(chr(0).join(parts).encode(errors='surrogateescape')).hexdigest()[:32]}"


def acquire(path: Path, *, create: bool = True) -> int | None:
    """Return the descriptor of a file that is locked with it from now on, or None while the lock is another's.

    The lock lasts until `release`, or until this process ends. `OSError` says that there are no locks here, or no file if it
    isn't to be created.

    Example:
        `if (lock := acquire(path)) is not None: release(lock, path)`
    """
    # Imported here: an unchanged package takes no lock.
    from filelock import lock_descriptor

    while True:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o666)
        try:
            locked = lock_descriptor(descriptor, blocking=False)
            if locked and _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            return None
        # Its last holder has removed the file in between; the one that is there now is the lock.


def release(descriptor: int, path: Path) -> None:
    """Give a lock back, and remove its file.

    Example:
        `release(descriptor, path)`
    """
    # Before it is freed: no other process can have made the file at this path. Windows keeps a file that is open.
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)


@contextlib.contextmanager
def held(
    path: Path, *, doing: str, notice: Callable[[str], None] | None = None, pause: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold a lock during the block, as soon as it is free; without locks, run the block at once.

    `doing` says what the block does, for those that wait: "downloads six-1.17.0-py2.py3-none-any.whl". Who waits longer than
    `PATIENCE` gets it in a `notice`: "waiting for process 1234, which downloads …". `pause` waits for so many seconds between two looks.
    A process that holds a lock must not wait for another one.

    Example:
        `with held(path, doing="builds demo-1.0.tar.gz", notice=print): build()`
    """
    descriptor = _wait(path, notice, pause)
    if descriptor is None:
        yield
        return
    try:
        # The first byte is the one that Windows locks against reading, too.
        with contextlib.suppress(OSError):
            os.truncate(descriptor, 0)
            os.write(descriptor, f"\nprocess {os.getpid()}, which {doing}".encode(errors="replace"))
        yield
    finally:
        release(descriptor, path)


def _wait(path: Path, notice: Callable[[str], None] | None, pause: Callable[[float], None]) -> int | None:
    """Return the descriptor of the lock once it is ours, or None where there are no locks."""
    started, told = time.monotonic(), ""
    while True:
        try:
            descriptor = acquire(path)
        except (OSError, ImportError):
            return None
        if descriptor is not None:
            return descriptor
        if notice is not None and time.monotonic() - started >= PATIENCE:
            holder = _holder(path)
            if holder != told:
                notice(f"waiting for {holder}")
            told = holder
        pause(_POLL)


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError), path.open("rb") as stream:
        stream.seek(1)
        if text := stream.read(1000).decode(errors="replace"):
            return text
    return "another process"


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
