"""The displays of a build's progress: none, plain lines, and a line on a terminal that changes. All are on stderr.

A display has a thread of its own, since the build's thread waits for pip. The thread reads the progress a few times a second.
A stream that can't be written to ends the display, and nothing else.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib.util import find_spec
from typing import TextIO

from cdk_lambda_package.progress import QUIET, Pace, Progress, Step
from cdk_lambda_package.variables import OutsideName, ReadBy

PREFIX = "cdk-lambda-package: "
"""Begins each plain line: the output of `cdk` has lines of others too."""

_TERMINAL = OutsideName(
    "TERM",
    read_by=ReadBy.TOOLS,
    meaning="With `dumb` or `unknown`, progress is plain lines.",
    default="a line that changes",
)
_JOB = OutsideName(
    "CI",
    read_by=ReadBy.TOOLS,
    meaning="Any value except `false` and `0` makes progress plain lines.",
    default="a line that changes",
)
# rich reads it.
_NO_COLOUR = OutsideName(
    "NO_COLOR",
    read_by=ReadBy.TOOLS,
    meaning="Any value turns the colours of progress off.",
    default="colours on a terminal",
)

# How often a display looks at the progress, in seconds.
_LINES, _FRAMES = 0.25, 0.1
# The width of the bar, in columns.
_BAR = 20
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

    A terminal that can't move its cursor (`TERM=dumb`), and that of a CI job, gets plain lines; so does any without rich, which is in the
    extra `terminal`. `NO_COLOR` turns colours off.

    Example:
        `with terminal_line() as progress: package(request, progress=progress)`
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext(QUIET)
    can_draw = os.environ.get(_TERMINAL) not in ("dumb", "unknown") and find_spec("rich") is not None
    if not can_draw or os.environ.get(_JOB) not in (None, "", "false", "0"):
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
        self._shown = ExitStack()
        self._draw: Callable[[Step], None] | None = None

    def show(self) -> None:
        """Draw the current step; the first one begins the display."""
        step = self._progress.current
        if step is not None:
            self._draw = self._draw or self._begin()
            self._draw(step)

    def end(self) -> None:
        """Remove the line, and show the cursor again."""
        self._shown.close()

    def _begin(self) -> Callable[[Step], None]:
        # Imported here: a package that is unchanged is done before the first frame.
        from rich.console import Console
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        console = Console(file=self._stream)
        in_unicode = console.encoding.lower().startswith("utf")
        spinner = Spinner("dots" if in_unicode else "line", style="cyan")
        # The cursor is moved and the streams are written by this thread alone.
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._shown.enter_context(live)

        def draw(step: Step) -> None:
            text = Text(self._progress.describe(step), no_wrap=True, overflow="ellipsis" if in_unicode else "crop")
            part = step.fraction
            bar = [] if part is None else [ProgressBar(total=1.0, completed=part, width=_BAR)]
            line = Table.grid(padding=(0, 1))
            line.add_row(spinner, *bar, text)
            live.update(line, refresh=True)

        return draw


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
