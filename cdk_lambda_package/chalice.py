"""Chalice's slim packaging: a function that imports chalice gets the two modules that Chalice's own packager includes.

`chalice` itself depends on botocore, pip and more, which only its command line needs. Chalice's packager copies
`chalice/__init__.py` and `chalice/app.py` into each package; these import nothing but the standard library. An app needn't
require chalice for that.
"""

from __future__ import annotations

import re

CHALICE = "chalice"
SLIM, FULL = "slim", "full"

_RUNTIME_FILES = frozenset({"chalice/__init__.py", "chalice/app.py"})
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+chalice[ .\t]|import[ \t]+(?:[^\n#]*,[ \t]*)?chalice\b)", re.MULTILINE)


def imports_chalice(source: bytes) -> bool:
    """Return True if a module's source imports chalice.

    It searches rather than parses: the host's parser may not know the target's syntax. A match in a docstring costs two
    small files, a miss would cost the app.
    """
    return CHALICE.encode() in source and _IMPORT.search(source) is not None


def slim_distributions(imported: bool, mode: str) -> frozenset[str]:
    """Return the distributions that are packaged without what they require: chalice, if it is `imported` and `slim`."""
    return frozenset({CHALICE}) if imported and mode == SLIM else frozenset()


def is_runtime_file(path: str) -> bool:
    """Return True for a file of chalice that a function needs."""
    return path in _RUNTIME_FILES
