"""What Python's tokenizer refuses and ruff's parser takes for right. Pure.

CPython measures the indentation of each logical line twice, with tabs to the next multiple of eight and with tabs of one
column, and refuses what the two put differently (https://docs.python.org/3/reference/lexical_analysis.html#indentation).
It also refuses more than 200 brackets in one another (MAXLEVEL in Parser/tokenizer.h).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TAB_SIZE, _MOST_BRACKETS = 8, 200
_INDENTED_BY_TAB, _INDENTED_BY_SPACE = re.compile(r"^[ \f]*\t", re.M), re.compile(r"^[\t\f]* ", re.M)
_DEEP = re.compile(rf"(?:[(\[{{][^()\[\]{{}}]*){{{_MOST_BRACKETS}}}[(\[{{]")
_INDENTATION = re.compile(r"[ \t\f]*")

_COMMENT, _STRING, _BRACKET = r"#[^\n]*", r"([A-Za-z]{0,2})(\"\"\"|'''|\"|')", r"[()\[\]{}]"
_TOKEN = re.compile(rf"{_COMMENT}|{_STRING}|{_BRACKET}|\\\n|\n")
_OPENING = ("(", "[", "{")
# Formatted strings (PEP 498, PEP 701, PEP 750) have text, and fields in braces.
_FORMATTED = frozenset({"f", "fr", "rf", "t", "tr", "rt"})
_TEXT = re.compile(r"\\.|\{\{|[{}]|\"\"\"|'''|\"|'", re.S)
_FIELD = re.compile(rf"{_COMMENT}|{_STRING}|{_BRACKET}|:")

TABS = "inconsistent use of tabs and spaces in indentation"
UNINDENT = "unindent does not match any outer indentation level"
NESTING = "too many nested parentheses"


def find_token_fault(text: str) -> tuple[int, str] | None:
    """Return the first line, from 1, that Python refuses so, and why in its words; `text` has no other fault.

    Brackets are only counted where none is closed in between. Where a backslash stands in an indentation nothing is said:
    versions differ in what they make of that.
    """
    mixed = _INDENTED_BY_TAB.search(text) and _INDENTED_BY_SPACE.search(text)
    if not (mixed or _DEEP.search(text)):
        return None
    widths = [(0, 0)]
    for position, depth in _read_tokens(text):
        fault = _judge_line(text, position, widths) if not depth else NESTING if depth > _MOST_BRACKETS else None
        if fault is not None:
            return (text.count("\n", 0, position) + 1, fault) if fault else None
    return None


def _judge_line(text: str, start: int, widths: list[tuple[int, int]]) -> str | None:
    """Return why the indentation of a logical line is refused, "" where that can't be said."""
    match = _INDENTATION.match(text, start)
    end = match.end() if match else start
    if text[end : end + 1] in ("\n", "#", ""):
        return None
    return "" if text[end] == "\\" else _place(_measure(text[start:end]), widths)


def _measure(indentation: str) -> tuple[int, int]:
    """Return how far a line is indented, with wide tabs and with narrow ones."""
    wide = narrow = 0
    for character in indentation:
        if character == "\f":
            wide = narrow = 0
        else:
            wide = (wide // _TAB_SIZE + 1) * _TAB_SIZE if character == "\t" else wide + 1
            narrow += 1
    return wide, narrow


def _place(width: tuple[int, int], widths: list[tuple[int, int]]) -> str | None:
    """Find the block of a line among those around it, which change; return why there is none."""
    if width[0] > widths[-1][0]:
        refused = width[1] <= widths[-1][1]
        widths.append(width)
        return TABS if refused else None
    while width[0] < widths[-1][0]:
        widths.pop()
    if width[0] != widths[-1][0]:
        return UNINDENT
    return TABS if width[1] != widths[-1][1] else None


def _read_tokens(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line begins that isn't in brackets, with 0, and each opening bracket, with how deep it is."""
    position, depth = 0, 0
    yield 0, 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        if token[2]:
            position = _skip_string(text, position, token[1], token[2])
        elif token[0] in _OPENING:
            depth += 1
            yield token.start(), depth
        elif token[0] in (")", "]", "}"):
            depth -= 1
        elif token[0] == "\n" and not depth:
            yield position, 0


def _skip_string(text: str, position: int, prefix: str, quote: str) -> int:
    """Return where a string ends whose quote ends at `position`."""
    if prefix.lower() in _FORMATTED:
        return _skip_text(text, position, quote)
    inside = re.compile(rf"\\.|{quote}", re.S)
    while token := inside.search(text, position):
        position = token.end()
        if token[0] == quote:
            return position
    return len(text)


def _skip_text(text: str, position: int, end: str) -> int:
    """Return where the text of a formatted string ends, at its quote, or that of a field's format, at its brace."""
    while token := _TEXT.search(text, position):
        position = token.end()
        if token[0] == "{":
            position = _skip_field(text, position)
        elif token[0].startswith(end):
            return token.start() + len(end)
    return len(text)


def _skip_field(text: str, position: int) -> int:
    """Return where a field ends."""
    depth = 0
    while token := _FIELD.search(text, position):
        position = token.end()
        if token[2]:
            position = _skip_string(text, position, token[1], token[2])
        elif token[0] in _OPENING:
            depth += 1
        elif token[0] == "}" and not depth:
            return position
        elif token[0] in (")", "]", "}"):
            depth -= 1
        elif token[0] == ":" and not depth:
            return _skip_text(text, position, "}")
    return len(text)
