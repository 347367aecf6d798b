"""Which member names can be in a deployment package at all."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")

# Where these lie inside a package they are somebody's leftovers, never content.
NEVER_FOLDERS = frozenset({"__pycache__", ".git", ".hg", ".svn", ".bzr", "cdk.out"})
NEVER_FILES = frozenset({".DS_Store"})


def find_fault(name: str) -> str | None:
    """Say why a file of this name can't be unpacked below the task root, or None if it can.

    The name is judged as it stands in the archive: what a reader would make of it differs from reader to reader.
    """
    if not name:
        return "it is empty"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "it has a control character"
    if "\\" in name:
        return "it has a backslash, which some unpackers take for a folder"
    if name.startswith("/") or _DRIVE.match(name):
        return "it is absolute"
    parts = name.split("/")
    if ".." in parts:
        return "it leaves the package's root"
    if "." in parts or "" in parts[:-1]:
        return "it has an empty or '.' part"
    return _find_encoding_fault(name)


def _find_encoding_fault(name: str) -> str | None:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "it isn't Unicode"
    if len(encoded) > 0xFFFF:
        return "it is longer than the format allows"
    return None


def is_leftover(path: str, paths: frozenset[str] | set[str]) -> bool:
    """Tell whether a file is on the list of what is never packaged.

    A `.pyc` beside its `.py` is: Lambda's Python compiles from the source. Alone, it is the module, and stays.
    """
    *folders, name = path.split("/")
    if name in NEVER_FILES or not NEVER_FOLDERS.isdisjoint(folders):
        return True
    return name.endswith(".pyc") and path[:-1] in paths
