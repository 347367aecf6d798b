"""Gitignore-style patterns over paths. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_lambda_package.errors import OptionError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Patterns:
    """Patterns as in a .gitignore file (https://git-scm.com/docs/gitignore); false where there are none.

    The last pattern that matches decides, and `!` takes a path out again. A `./` in front is the directory itself, as in
    a shell; gitignore has a lone `/` for that.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if isinstance(patterns, str):
            raise OptionError(f"{patterns!r} should be a list of patterns, such as [{patterns!r}].")
        self._spec = _compile(patterns) if patterns else None

    def __bool__(self) -> bool:
        return self._spec is not None

    def match(self, path: str) -> bool:
        """Tell whether the patterns select this path, given relative and with forward slashes."""
        return self._spec is not None and self._spec.match_file(path)


def escape(path: str) -> str:
    """Return the pattern that matches this path and no other."""
    return re.sub(r"([\\*?\[\]!# {])", r"\\\1", path)


def check_patterns(name: str, patterns: Iterable[str], entry: Path) -> None:
    """Raise `OptionError` for a pattern that can't match below `entry`, an absolute path, though it was meant to."""
    for pattern in patterns:
        fault = _find_fault(_anchor(pattern).removeprefix("!"), entry)
        if fault:
            raise OptionError(f"{name} has {pattern!r}: {fault}. Patterns are those of a .gitignore file.")


def is_selective(pattern: str) -> bool:
    """Tell whether a pattern asks for files: it is no comment, isn't empty and takes nothing out."""
    return bool(pattern.strip()) and not pattern.startswith(("#", "!"))


def _find_fault(pattern: str, entry: Path) -> str | None:
    parts = pattern.split("/")
    if ".." in parts:
        return "paths begin at the entry directory, and nothing outside of it is packaged. Put the file into it"
    if "." in parts or pattern == "/":
        return "no path has such a part. Write '**' for all files, 'folder/' or 'folder/file'"
    if parts[0] == "~" or re.match(r"[A-Za-z]:[\\/]", pattern) or _is_below(pattern, entry):
        return "it is absolute, and paths begin at the entry directory. Write it relative to that"
    if braces := re.search(r"(?<!\\)\{[^{}/]*,[^{}/]*\}", pattern):
        return f"{braces[0]} isn't one of several there. Write a pattern for each"
    return None


def _is_below(pattern: str, entry: Path) -> bool:
    # With a slash in front, it may be the path of a folder in the entry directory; not if the whole path is the same.
    return len(entry.parts) > 2 and f"{pattern.rstrip('/')}/".startswith(f"{entry.as_posix()}/")


def _anchor(pattern: str) -> str:
    return re.sub(r"^(!?)\./(?=.)", r"\1/", pattern)


def _compile(patterns: Sequence[str]) -> GitIgnoreSpec:
    # Imported here: most packages have no patterns, and importing takes longer than packaging them.
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(map(_anchor, patterns))
    except ValueError as error:
        raise OptionError(f"{list(patterns)!r} has a pattern that gitignore doesn't know: {error}.") from error
