"""What a build is doing at the moment, as values: the stages write it, and a display reads it whenever it likes.

Nothing here writes to a terminal, starts a thread or waits: that is what `displays.py` does.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Amount(NamedTuple):
    """So many bytes `done` of a `size`, which is None while it isn't known."""

    done: int
    size: int | None


@dataclass(eq=False, slots=True)
class Step:
    """One step of a build: what it does, and how far it is.

    `text` begins with a verb and a small letter. `total` is how many of the `unit` there are, None if that isn't known:
    then what the step is told about is counted. `started` is the clock's time in seconds. `subjects` say which package it is for. Threads may
    read a step while another one writes to it.

    Example:
        `Step("downloading", started=0.0, total=31, unit="wheels").describe(now=2.0)` is
        `"downloading 0 of 31 wheels (2 s)"`.
    """

    text: str
    started: float
    total: int | None = None
    unit: str = ""
    subjects: tuple[str, ...] = ()
    _done: int = 0
    _detail: str = ""
    _told: set[str] = field(default_factory=set)
    _files: dict[str, Amount] = field(default_factory=dict)

    def advance(self, amount: int = 1) -> None:
        """Count so many more of the unit as done."""
        self._done += amount

    def update(self, text: str) -> None:
        """Say what the step is about at the moment, such as the name of a package."""
        self._detail = text
        self._told.add(text)

    def note(self, text: str) -> None:
        """Say what the step waits for, which isn't counted; "" for nothing any more."""
        self._detail = text

    def expect(self, sizes: Mapping[str, int]) -> None:
        """Say which files are to come, with their sizes in bytes."""
        self._files |= {name: Amount(0, size) for name, size in sizes.items()}

    def transfer(self, name: str, done: int, size: int | None) -> None:
        """Say how many bytes of a file are there; with all of them, it counts as one of the unit."""
        self._files[name] = Amount(done, size)
        self._detail = name

    @property
    def done(self) -> int:
        """How many of the unit are done; for a step without a total, how many different ones it was told about."""
        if self.total is None:
            return len(self._told)
        return self._done + sum(amount.done == amount.size for amount in self._files.copy().values())

    @property
    def fraction(self) -> float | None:
        """Which part of the step is done, from 0 to 1; None if that can't be known. Files of unknown sizes count alike."""
        files = self._files.copy()
        if files and self._knows_all(files):
            return sum(amount.done for amount in files.values()) / max(1, sum(a.size or 0 for a in files.values()))
        parts = sum(amount.done / amount.size for amount in files.values() if amount.size)
        return (self._done + parts) / self.total if self.total else None

    def describe(self, now: float) -> str:
        """Return one line about the step: what it does, the amounts, and for how long."""
        files = self._files.copy()
        text = self.text
        if self.total is not None:
            text += f" {self.done} of {self.total} {self.unit}"
        elif self.unit and self._told:
            text += f", {self.done} {self.unit if self.done > 1 else self.unit.removesuffix('s')} so far"
        detail = self._detail
        if files and self._knows_all(files):
            size = sum(amount.size or 0 for amount in files.values())
            text += f", {format_bytes(Amount(sum(amount.done for amount in files.values()), size))}"
        elif detail in files:
            detail = f"{detail}, {format_bytes(files[detail])}"
        return f"{text}{f': {detail}' if detail else ''} ({format_duration(now - self.started)})"

    def _knows_all(self, files: Mapping[str, Amount]) -> bool:
        return len(files) == self.total and all(amount.size is not None for amount in files.values())


class Progress:
    """What a build is doing: the steps that were begun and haven't ended, the last of each thread within its others.

    Example:
        `with progress.about("orders"), progress.step("downloading", total=2, unit="wheels") as step: step.advance()`
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no step; `clock` returns seconds."""
        self.clock = clock
        self.began = clock()
        # By the thread: packages are made at the same time.
        self._steps: defaultdict[int, list[Step]] = defaultdict(list)
        self._subjects: defaultdict[int, list[str]] = defaultdict(list)

    @contextmanager
    def step(self, text: str, *, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Do something that may take a while; the step ends with the block.

        Example:
            `with progress.step("resolving requirements") as step: step.update("pandas")`
        """
        own = threading.get_ident()
        subjects = tuple(self._subjects.get(own, ()))
        step = Step(text, started=self.clock(), total=total, unit=unit, subjects=subjects)
        self._steps[own].append(step)
        try:
            yield step
        finally:
            self._steps[own].remove(step)

    @contextmanager
    def about(self, subject: str) -> Iterator[None]:
        """Say for the steps in the block which package they are for.

        Example:
            `with progress.about("orders (python3.13, arm64)"): ...`
        """
        subjects = self._subjects[threading.get_ident()]
        subjects.append(subject)
        try:
            yield
        finally:
            subjects.remove(subject)

    @property
    def own(self) -> Step | None:
        """The innermost step of the thread that asks, None between two steps."""
        steps = self._steps.get(threading.get_ident())
        return steps[-1] if steps else None

    @property
    def current(self) -> Step | None:
        """The innermost step of the thread whose one takes longest so far, None between two steps."""
        innermost = [steps[-1] for one in self._steps.copy().values() if (steps := one.copy())]
        return min(innermost, key=lambda step: step.started, default=None)

    def describe(self, step: Step) -> str:
        """Return one line about a step, which begins with its subjects."""
        return ": ".join((*step.subjects, step.describe(self.clock())))


QUIET = Progress()
"""The progress that no display reads."""


@dataclass(slots=True)
class Pace:
    """Decides when a plain line is due: nothing for what takes less than two seconds, and never ten seconds without one.

    A step has its first line when it is two seconds old, as has a build whose steps are all shorter than that. A step that
    goes on has another line every ten seconds.

    Example:
        `pace.is_due(progress.current, progress.clock())`
    """

    last: float
    after: float = 2.0
    every: float = 10.0
    _shown: set[Step] = field(default_factory=set)

    def is_due(self, step: Step | None, now: float) -> bool:
        """Tell whether a line about the current step is to be written now; then it counts as written."""
        if step is None:
            return False
        is_new = step not in self._shown and now - step.started >= self.after
        silence = self.every if self._shown else self.after
        if not is_new and now - self.last < silence:
            return False
        self._shown.add(step)
        self.last = now
        return True


def format_bytes(amount: Amount) -> str:
    """Return bytes as people read them, in units of a thousand and a million, as pip and package indexes count.

    Example:
        `format_bytes(Amount(7_140_000, 12_100_000))` is `"7.1 of 12.1 MB"`.
    """
    unit, factor = ("MB", 1e6) if max(amount.done, amount.size or 0) >= 1e6 else ("kB", 1e3)
    numbers = [_number(count / factor) for count in amount if count is not None]
    return f"{' of '.join(numbers)} {unit}"


def _number(count: float) -> str:
    return f"{count:.0f}" if count >= 100 else f"{count:.1f}"


def name_file(filename: str) -> str:
    """Return what a file has, in few words: a wheel's name begins with the name and the version of its distribution.

    Example:
        `name_file("six-1.17.0-py2.py3-none-any.whl")` is `"six 1.17.0"`.
    """
    parts = filename.split("-")
    return f"{parts[0]} {parts[1]}" if filename.endswith(".whl") and len(parts) > 2 else filename


def format_duration(seconds: float) -> str:
    """Return a duration as people read it.

    Example:
        `format_duration(125)` is `"2 min 5 s"`.
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
