"""Gitignore-style patterns over paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cdk_lambda_package.errors import OptionError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Patterns:
    """Patterns as in a .gitignore file (https://git-scm.com/docs/gitignore); false where there are none.

    The last pattern that matches decides, and `!` takes a path out again.
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
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", path)


def _compile(patterns: Sequence[str]) -> GitIgnoreSpec:
    # Imported here: most packages have no patterns, and importing takes longer than packaging them.
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise OptionError(f"{list(patterns)!r} has a pattern that gitignore doesn't know: {error}.") from error
