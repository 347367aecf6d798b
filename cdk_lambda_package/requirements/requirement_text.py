"""The lines of a requirements file, as pip reads them: its encoding, continuations and comments. Pure."""

from __future__ import annotations

import codecs
import locale
import re
from collections.abc import Iterator

# The longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")


def decode_requirements(content: bytes) -> str:
    """Return a requirements file's text: by its byte order mark or coding comment, else UTF-8 or the locale's encoding.

    https://pip.pypa.io/en/stable/reference/requirements-file-format/#encoding. Raises `UnicodeDecodeError`, and
    `LookupError` for an encoding that there isn't.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (match := _CODING.search(line)):
            return content.decode(match[1].decode("ascii"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(locale.getpreferredencoding(False))


def join_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield the lines that say something, without comments, those that end in ``\`` with what follows, and their numbers.

    A comment is never continued: what is behind it counts.
    """
    start, parts = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        start = start if parts else number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        # pip sees a comment behind a continued line, too.
        whole = _COMMENT.sub("", "".join([*parts, f" {line}" if comment else line])).strip()
        parts.clear()
        if whole:
            yield start, whole
