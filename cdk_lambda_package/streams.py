"""The streams of a command: they may be closed, full, or read by a program that has gone, and the work goes on."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

# What a write says if the reader has gone.
_GONE = (errno.EPIPE, errno.ESHUTDOWN)


@contextlib.contextmanager
def forgiving_streams() -> Iterator[None]:
    """Let stdout and stderr be anything, for the block.

    A stream that was closed before the process started (`2>&-`) leads nowhere. What can't be written to stderr is lost; a gone
    reader of stdout loses the rest. Any other failure of stdout is an `OSError`, since the output isn't whole. A name that the
    stream can't encode is shown escaped.

    Example:
        `with forgiving_streams(): print("done", file=sys.stderr)`
    """
    for number in range(3):
        _open_closed(number)
    out, err = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (out, err):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with (
        contextlib.redirect_stdout(_Forgiving(out, lambda error: error.errno in _GONE)),
        contextlib.redirect_stderr(_Forgiving(err, lambda _: True)),
    ):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.flush()
                sys.stdout.flush()


def _open_closed(number: int) -> None:
    """Open a closed file descriptor, else the next file would get it: a package as stderr of each child."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _nowhere() -> IO[str]:
    # Not closed: it is that of the process from now on.
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


class _Forgiving(io.TextIOBase):
    """A text stream that writes to another, and to none after a failure that is forgiven."""

    def __init__(self, stream: Any, forgives: Any) -> None:
        self._stream, self._forgives = stream, forgives
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    # What the base class has, and would answer itself.

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return str(getattr(self._stream, "encoding", "utf-8"))

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """How the stream handles what it can't encode."""
        return getattr(self._stream, "errors", None)

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return int(self._stream.fileno())

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return bool(self._stream.isatty())

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write a text, unless the stream was lost."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        # This stream may be collected, and so flushed, after the other one was closed.
        if not getattr(self._stream, "closed", False):
            self._try(self._stream.flush)

    def _try(self, act: Any) -> None:
        if self._lost:
            return
        try:
            act()
        except OSError as error:
            # The buffer keeps what wasn't written, and Python would try again when it ends.
            self._lost = True
            with contextlib.suppress(OSError, ValueError):
                self._redirect()
            if not self._forgives(error):
                error.filename = error.filename or "the standard output"
                raise

    def _redirect(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())
        finally:
            os.close(nowhere)
