"""Packages are made by several threads at the same time: their number, what one of them does for all, and how all end.

The caller's thread does nothing but wait, so that Ctrl-C and signals reach it at once. The threads look at moments when nothing
is lost whether they are to end (`check_end`): wherever they wait for a program, a lock, or each other.

Most builds find everything in the store, and one thread does that fastest: threads that only read small files wait for each other's turn
with the interpreter. So another thread is started only if the others have finished nothing for a moment.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Generic, TypeVar

T = TypeVar("T")

PER_CORE = 2
"""Threads that work at the same time, for each core: one waits for pip or a disk while another one computes."""

# Seconds without a result, after which there is one thread more.
_MOMENT = 0.05
# Those that wait for others don't count, but there is an end to them too.
_MOST_THREADS = 64
# Seconds that threads may take to end. Programs that they started get two until they are killed (see `supervisor.py`).
_END_LIMIT = 5.0
# Bytes. The default of some systems is too small for the nested code that is parsed.
_STACK = 16 << 20


class EndedError(BaseException):
    """Raised in a thread that is to end: its result is of no use any more. No `except Exception` keeps it from that."""


def core_count() -> int:
    """Return how many cores this process may use, which may be fewer than the machine has.

    Example:
        `core_count()` is 2 in a container that has two of 64 cores by its CPU set.
    """
    # Not on macOS and Windows.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def run_all(
    tasks: Sequence[Callable[[], T]], *, most: int | None = None, at_end: Callable[[], None] = lambda: None
) -> list[T]:
    """Return the results of tasks that are done at the same time, so many at `most` (default: two for each core).

    An exception of a task, and one that reaches the caller's thread meanwhile, such as `KeyboardInterrupt`, ends all others; `at_end`
    ends what they may wait for. It is called in any case. A single task runs on the caller's thread.

    Example:
        `run_all([partial(package, request) for request in requests])`
    """
    most = most or PER_CORE * core_count()
    if len(tasks) > 1 and most > 1:
        return _Crew(tasks, most).run(at_end)
    try:
        return [task() for task in tasks]
    finally:
        at_end()


class _Crew(Generic[T]):
    """The threads of one `run_all`: what they are to do, and how many of them work at the moment."""

    def __init__(self, tasks: Sequence[Callable[[], T]], most: int) -> None:
        self.is_over = False
        self._most, self._count = most, len(tasks)
        self._changed = threading.Condition()
        self._waiting = deque(enumerate(tasks))
        self._results: dict[int, T] = {}
        self._failures: list[BaseException] = []
        self._alive = self._working = 0

    def run(self, at_end: Callable[[], None]) -> list[T]:
        """Return the results of all tasks."""
        threads: list[threading.Thread] = []
        try:
            with self._changed:
                while not self._is_done():
                    if self._waiting and self._working < self._most and self._alive < _MOST_THREADS:
                        threads.append(_start(self._work))
                        self._alive, self._working = self._alive + 1, self._working + 1
                    # As long as results come in, the threads are enough.
                    while not self._is_done() and self._has_news():
                        pass
        finally:
            self.is_over = True
            at_end()
            end = time.monotonic() + _END_LIMIT
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
        if self._failures:
            raise self._failures[0]
        return [self._results[number] for number in range(self._count)]

    def _is_done(self) -> bool:
        return len(self._results) == self._count or bool(self._failures)

    def _has_news(self) -> bool:
        """Wait for a moment, and tell whether a task was done in it."""
        known = len(self._results)
        return self._changed.wait_for(lambda: len(self._results) > known or bool(self._failures), _MOMENT)

    def _work(self) -> None:
        _OWN.crew = self
        try:
            while (chosen := self._choose()) is not None:
                number, task = chosen
                result = task()
                with self._changed:
                    self._results[number] = result
                    self._changed.notify_all()
        except EndedError:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised on the caller's thread
            self._failures.append(error)
        finally:
            with self._changed:
                self._alive, self._working = self._alive - 1, self._working - 1
                self._changed.notify_all()

    def _choose(self) -> tuple[int, Callable[[], T]] | None:
        with self._changed:
            is_needed = self._waiting and not self.is_over and self._working <= self._most
            return self._waiting.popleft() if is_needed else None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let another thread work during the block."""
        with self._changed:
            self._working -= 1
        try:
            yield
        finally:
            with self._changed:
                # There may be too many now; one of them ends before its next task.
                self._working += 1


_OWN = threading.local()


def _start(work: Callable[[], None]) -> threading.Thread:
    before = threading.stack_size(_STACK)
    try:
        # A daemon: one that can't be ended mustn't hold the process.
        thread = threading.Thread(target=work, name="packaging", daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    return thread


def check_end() -> None:
    """Raise `EndedError` on a thread that is to end; called wherever a thread waits.

    Example:
        `while (line := queue.get(timeout=0.1)) is None: check_end()`
    """
    crew: _Crew[object] | None = getattr(_OWN, "crew", None)
    if crew is not None and crew.is_over:
        raise EndedError


def waiting() -> AbstractContextManager[None]:
    """Let another thread work during the block, in which this one waits.

    Example:
        `with waiting(): worker = idle.get()`
    """
    crew: _Crew[object] | None = getattr(_OWN, "crew", None)
    return crew.waiting() if crew is not None else nullcontext()


def pause(seconds: float) -> None:
    """Sleep between two looks at what a thread waits for; raises `EndedError` on one that is to end.

    Example:
        `while not is_free(path): pause(0.05)`
    """
    check_end()
    time.sleep(seconds)


class Claims:
    """What threads of this process are making at the moment, so that each thing is made by one of them.

    A thing is a kind and a key, as in the store. A thread that has things may wait for things of later stages only.

    Example:
        ```python
        with claims.alone(("resolutions", key)):
            resolution = recall(key) or resolve(key)
        ```
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._makers: dict[Hashable, int] = {}

    @contextmanager
    def taking(self, things: Collection[T]) -> Iterator[frozenset[T]]:
        """Yield those of the things that no thread makes; they are the caller's during the block."""
        with self._changed:
            taken = frozenset(thing for thing in things if thing not in self._makers)
            self._makers |= dict.fromkeys(taken, threading.get_ident())
        try:
            yield taken
        finally:
            with self._changed:
                for thing in taken:
                    del self._makers[thing]
                self._changed.notify_all()

    def wait_for(self, things: Collection[Hashable]) -> None:
        """Wait until no other thread makes any of the things."""
        own = threading.get_ident()

        def are_free() -> bool:
            return all(self._makers.get(thing, own) == own for thing in things)

        with self._changed:
            if are_free():
                return
        with waiting(), self._changed:
            while not self._changed.wait_for(are_free, _MOMENT):
                check_end()

    @contextmanager
    def alone(self, *things: Hashable) -> Iterator[None]:
        """Be the only thread that makes any of the things, during the block; look first whether they are there.

        Blocks of a thread may be nested.
        """
        while True:
            with self._changed:
                needed = [thing for thing in things if self._makers.get(thing) != threading.get_ident()]
            with self.taking(needed) as taken:
                # All or none: a thread that had some of them while it waits for others could wait for ever.
                if len(taken) == len(set(needed)):
                    yield
                    return
            self.wait_for(needed)
