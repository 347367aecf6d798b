"""Show the progress of a build."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.status import Status as Line

Progress = Callable[[str], None]
"""Called with a short text about the current step."""


class Status:
    """A line on stderr with the current step, after one second; nothing without a terminal."""

    def __init__(self, delay: float = 1.0) -> None:
        """Show nothing for `delay` seconds."""
        self._timer = threading.Timer(delay, self._show)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._text = "Packaging"
        self._line: Line | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._line is not None:
                self._line.stop()

    def update(self, text: str) -> None:
        """Set the text of the current step."""
        self._text = text
        with self._lock:
            if self._line is not None:
                self._line.update(f"{text} …")

    def _show(self) -> None:
        # Imported here: most runs end before there is anything to show.
        from rich.console import Console

        with self._lock:
            self._line = Console(stderr=True).status(f"{self._text} …")
            self._line.start()
