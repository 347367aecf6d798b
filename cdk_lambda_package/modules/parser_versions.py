"""Which versions of the parsers are installed: what they say of a source is remembered, and another version may say more."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache

_PARSERS = ("ruff", "tree_sitter", "tree_sitter_python")
_SUFFIX = ".dist-info"


def describe_parsers() -> str:
    """Return the parsers and their versions, looked for once in each process.

    By the names of their metadata folders (https://packaging.python.org/specifications/recording-installed-packages/):
    importlib.metadata takes longer to be imported than an unchanged package to be checked.
    """
    return _describe(tuple(dict.fromkeys(sys.path)))


@cache
def _describe(folders: tuple[str, ...]) -> str:
    found: set[str] = set()
    for folder in folders:
        # What is on the path may be an archive, or not there.
        with contextlib.suppress(OSError), os.scandir(folder or ".") as children:
            names = (child.name for child in children if child.name.endswith(_SUFFIX))
            found |= {name.removesuffix(_SUFFIX) for name in names if name.partition("-")[0] in _PARSERS}
    return " ".join(sorted(found))
