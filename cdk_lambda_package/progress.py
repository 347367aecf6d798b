"""Show the progress of a build."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

Progress = Callable[[str], None]
"""Called with a short text about the current step."""


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show the current step in a line on stderr, from the first step on; nothing without a terminal.

    Example:
        `with show_progress() as progress: package(request, progress=progress)`
    """
    line: Status | None = None
    with ExitStack() as shown:

        def update(text: str) -> None:
            nonlocal line
            if line is None and sys.stderr.isatty():
                # Imported here: an unchanged package has no step to show.
                from rich.console import Console

                line = shown.enter_context(Console(stderr=True).status(""))
            if line is not None:
                line.update(f"{text} …")

        yield update
