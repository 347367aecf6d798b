"""Faults that a parser describes in odd words, since it can't know what somebody had in mind. Pure."""

from __future__ import annotations

import re

_USUAL = (
    (re.compile(r"<{7}( |$)|={7}$|>{7}( |$)|\|{7}( |$)"), "a merge was never finished, its markers are still there"),
    (re.compile(r"\s*print\s+[^\s=.,:;()\[\]]"), "missing parentheses in a call of print: this is Python 2"),
    (re.compile(r"\s*exec\s+[^\s=.,:;()\[\]]"), "missing parentheses in a call of exec: this is Python 2"),
    (re.compile(r"\s*except\s+[\w.]+\s*,\s*\w+\s*:"), "`except E, name:` is Python 2, or several types of Python 3.14"),
    (re.compile(r"\s*raise\s+[\w.]+\s*,"), "`raise E, value` is Python 2"),
)


def recognise(text: str, line: int) -> str | None:
    """Return what is wrong with a line that is wrong in a usual way, which a parser can't know."""
    lines = text.split("\n")
    source = lines[line - 1] if line <= len(lines) else ""
    return next((reason for pattern, reason in _USUAL if pattern.match(source)), None)
