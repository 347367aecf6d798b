"""The displays of a build's progress: none, plain lines, and a line on a terminal that changes. All are on stderr.

A display has a thread of its own, since the build's thread waits for pip. The thread reads the progress a few times a second.
A stream that can't be written to ends the display, and nothing else.
"""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, TextIO

from cdk_lambda_package.progress import QUIET, Pace, Progress, Step

PREFIX = "cdk-lambda-package: "
"""Begins each plain line: the output of `cdk` has lines of others too."""

# How often a display looks at the progress, in seconds.
_LINES, _FRAMES = 0.25, 0.1
# The width of the bar, and of a terminal that doesn't tell its own, in columns.
_BAR, _COLUMNS = 20, 80
# How long a thread that is just writing may take to end, in seconds: the pipe's reader may have gone.
_LAST_WORDS = 1.0


def plain_lines() -> AbstractContextManager[Progress]:
    """Show in plain lines on stderr what takes longer than two seconds, every ten seconds; for logs, and for `cdk`.

    Example:
        `with plain_lines() as progress: package(request, progress=progress)`
    """
    return _show(PlainLines, _LINES)


def terminal_line() -> AbstractContextManager[Progress]:
    """Show the current step in a line of the terminal, and nothing if stderr isn't one.

    A terminal that can't move its cursor (`TERM=dumb`, and a console of Windows that isn't Windows Terminal), and that of a CI job, gets
    plain lines. `NO_COLOR` turns colours off.

    Example:
        `with terminal_line() as progress: package(request, progress=progress)`
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext(QUIET)
    if not _moves_cursor() or os.environ.get("CI") not in (None, "", "false", "0"):
        return plain_lines()
    return _show(TerminalLine, _FRAMES)


class PlainLines:
    """Writes a line when one is due."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress, self._stream = progress, stream
        self._pace = Pace(last=progress.began)

    def show(self) -> None:
        """Write a line about the current step, if one is due."""
        step = self._progress.current
        if step is not None and self._pace.is_due(step, self._progress.clock()):
            # One call: a line of another process doesn't come between.
            self._stream.write(f"{PREFIX}{self._progress.describe(step)}\n")
            self._stream.flush()

    def end(self) -> None:
        """Write nothing more."""


class TerminalLine:
    """Draws the current step in the last line of a terminal, and removes it at the end."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress, self._stream = progress, stream
        self._look = _Look.of(stream)
        self._frames = 0

    def show(self) -> None:
        """Draw the current step; the first one begins the display."""
        step = self._progress.current
        if step is not None:
            hide = "" if self._frames else _HIDE_CURSOR
            line = self._look.draw(step, self._progress.describe(step), frame=self._frames, columns=self._columns())
            self._frames += 1
            self._write(f"{hide}{_TO_EMPTY_LINE}{line}")

    def end(self) -> None:
        """Remove the line, and show the cursor again."""
        if self._frames:
            self._write(f"{_TO_EMPTY_LINE}{_SHOW_CURSOR}")

    def _write(self, text: str) -> None:
        # One call: nothing of another thread comes between.
        self._stream.write(text)
        self._stream.flush()

    def _columns(self) -> int:
        # As programs with curses do: the variable goes before the terminal's own answer.
        if (said := os.environ.get("COLUMNS", "")).isdecimal() and int(said):
            return int(said)
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
        except OSError:
            return _COLUMNS


# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html: CSI K, and the mode DECTCEM.
_TO_EMPTY_LINE, _HIDE_CURSOR, _SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25l", "\x1b[?25h"
_ACCENT, _DIM, _PLAIN = "\x1b[36m", "\x1b[2m", "\x1b[0m"


class _Look(NamedTuple):
    """What a line is drawn with: the pictures of the spinner, the bar's character, the sign of a cut text; and whether there are colours."""

    spinner: str
    bar: str
    cut: str
    coloured: bool

    @classmethod
    def of(cls, stream: TextIO) -> _Look:
        coloured = not os.environ.get("NO_COLOR")
        if (stream.encoding or "").lower().startswith("utf"):
            return cls("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "━", "…", coloured)
        return cls("-\\|/", "-", "", coloured)

    def draw(self, step: Step, text: str, *, frame: int, columns: int) -> str:
        """Return a line of less than so many columns: one that fills the terminal may begin another one."""
        picture = self._colour(self.spinner[frame % len(self.spinner)], _ACCENT)
        part = step.fraction
        bar = "" if part is None else f"{self._draw_bar(part)} "
        return f"{picture} {bar}{self._fit(text, columns - 3 - (_BAR + 1 if bar else 0))}"

    def _draw_bar(self, part: float) -> str:
        done = min(_BAR, round(part * _BAR))
        rest = self._colour(self.bar * (_BAR - done), _DIM) if self.coloured else " " * (_BAR - done)
        return f"{self._colour(self.bar * done, _ACCENT)}{rest}"

    def _colour(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self.coloured and text else text

    def _fit(self, text: str, columns: int) -> str:
        """Return a text cut to the columns; a name may have characters that would move the cursor."""
        shown = "".join(one if one.isprintable() else "?" for one in text)
        widths = [_width(one) for one in shown]
        if sum(widths) <= columns:
            return shown
        left, kept = columns - len(self.cut), 0
        for width in widths:
            left -= width
            if left < 0:
                break
            kept += 1
        return f"{shown[:kept]}{self.cut}"


def _width(character: str) -> int:
    """Return how many columns a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _moves_cursor() -> bool:
    if sys.platform == "win32" and "TERM" not in os.environ:
        return "WT_SESSION" in os.environ
    return os.environ.get("TERM") not in ("dumb", "unknown")


@contextmanager
def _show(display: Callable[[Progress, TextIO], PlainLines | TerminalLine], seconds: float) -> Iterator[Progress]:
    """Run a display in a thread until the block ends; without stderr there is none."""
    stream: TextIO | None = sys.stderr
    if stream is None:
        yield QUIET
        return
    progress, ended = Progress(), threading.Event()
    thread = threading.Thread(
        target=_draw_until, args=(ended, display(progress, stream), seconds), name="progress", daemon=True
    )
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join(_LAST_WORDS)


def _draw_until(ended: threading.Event, display: PlainLines | TerminalLine, seconds: float) -> None:
    # ValueError: the stream was closed.
    try:
        try:
            while not ended.wait(seconds):
                display.show()
        finally:
            display.end()
    except (OSError, ValueError):
        return
