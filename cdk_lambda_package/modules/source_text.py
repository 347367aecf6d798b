"""A module's source as Python itself decodes it (PEP 263, PEP 3120). Pure."""

from __future__ import annotations

import io


class UndecodableError(Exception):
    """Python can't read the source at all; `line` counts from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def decode_source(source: bytes) -> str:
    """Return a module's text, with line feeds for all line ends.

    Raises `UndecodableError`, in CPython's words, for what no Python can decode.
    """
    position = source.find(b"\0")
    if position >= 0:
        raise UndecodableError("source code cannot contain null bytes", _line_at(source, position))
    text = _decode(source)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _decode(source: bytes) -> str:
    if _names_encoding(source):
        return _decode_as_declared(source)
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # CPython's own words for it.
        raise UndecodableError(
            f"Non-UTF-8 code starting with '\\x{error.object[error.start]:02x}', but no encoding declared; "
            "see https://peps.python.org/pep-0263/ for details",
            _line_at(error.object, error.start),
        ) from None


def _names_encoding(source: bytes) -> bool:
    """Tell whether one of the first two lines may declare an encoding."""
    start, found = 0, False
    for _ in range(2):
        end = source.find(b"\n", start)
        line = source[start:] if end < 0 else source[start:end]
        found = found or b"coding" in line
        start = len(source) if end < 0 else end + 1
    # With carriage returns alone, all of it is one line.
    return found


def _decode_as_declared(source: bytes) -> str:
    # Imported here: hardly a module declares its encoding nowadays.
    import tokenize

    try:
        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
    except SyntaxError as error:
        raise UndecodableError(error.msg) from None
    try:
        return source.decode(encoding)
    except (LookupError, ValueError) as error:
        line = _line_at(error.object, error.start) if isinstance(error, UnicodeDecodeError) else 1
        raise UndecodableError(f"(unicode error) {error}", line) from None


def _line_at(source: bytes, position: int) -> int:
    return source.count(b"\n", 0, position) + 1
