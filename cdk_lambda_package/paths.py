"""Paths of files in a package: valid names, patterns that select some, and what they provide to `import`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_lambda_package.errors import OptionError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# NAME_MAX and PATH_MAX of Linux (limits.h), less `/var/task/` or `/opt/python/` and the byte that ends a path.
_LONGEST_PART = 255
_LONGEST_PATH = 4096 - len("/opt/python/") - 1

NEVER_FOLDERS = frozenset({"__pycache__", ".git", ".hg", ".svn", ".bzr", "cdk.out"})
"""Names of folders that are never packaged: they hold leftovers of tools."""
CACHE_FOLDER = "__pycache__"
"""The name of folders with bytecode caches (https://peps.python.org/pep-3147/)."""
_NEVER_FILES = frozenset({".DS_Store"})


def name_fault(name: str) -> str | None:
    """Return why a file of this name can't be unpacked below the task root, None if it can.

    The name is judged as it is written in the archive, because readers normalise names in different ways.

    Example:
        `name_fault("../secrets")` is `"it leaves the package's root"`.
    """
    if not name:
        return "it is empty"
    if _CONTROL.search(name):
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
    return _encoding_fault(name)


def _encoding_fault(name: str) -> str | None:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "it isn't Unicode"
    if len(encoded) > _LONGEST_PATH:
        return f"it is longer than the {_LONGEST_PATH:,} bytes that Linux can unpack"
    if len(encoded) > _LONGEST_PART and any(len(part) > _LONGEST_PART for part in encoded.split(b"/")):
        return f"a part of it is longer than {_LONGEST_PART} bytes, and Linux can't unpack that"
    return None


# A pattern for a folder, and one for names with a suffix.
_IS_WORD = re.compile(r"(?P<folder>[\w-]+/)|\*(?P<suffix>(\.\w+)+)")


def is_leftover(path: str, paths: frozenset[str] | set[str]) -> bool:
    """Tell whether a file among `paths` is one that is never packaged.

    A `.pyc` beside its `.py` is a leftover: Lambda's Python compiles from the source. Alone, it is the module, and stays.

    Example:
        `is_leftover("pkg/__pycache__/a.pyc", set())` is True.
    """
    *folders, name = path.split("/")
    if name in _NEVER_FILES or not NEVER_FOLDERS.isdisjoint(folders):
        return True
    return name.endswith(".pyc") and path[:-1] in paths


def is_cache(path: str) -> bool:
    """Tell whether a file is in a folder of bytecode caches.

    Example:
        True for `is_cache("demo/__pycache__/demo.cpython-313.pyc")`.
    """
    return CACHE_FOLDER in path.split("/")[:-1]


class Patterns:
    """Patterns as in a .gitignore file (https://git-scm.com/docs/gitignore); false if there are none.

    The last pattern that matches decides, and `!` takes a path out again. A leading `./` is the directory itself, as in
    a shell; gitignore writes a lone `/` for that.

    Example:
        `Patterns(["*.md", "!README.md"]).match("docs/notes.md")` is True.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if isinstance(patterns, str):
            raise OptionError(f"{patterns!r} should be a list of patterns, such as [{patterns!r}].")
        self._patterns = tuple(patterns)
        self._word = _word_of(self._patterns)
        self._spec = _compile(patterns) if patterns and self._word is None else None
        self._beginnings = tuple(map(_beginning_of, self._patterns))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def match(self, path: str) -> bool:
        """Tell whether the patterns select this path, given relative and with forward slashes."""
        return bool(self.select((path,)))

    def select(self, paths: Iterable[str]) -> list[str]:
        """Return those of the paths that the patterns select, in their order."""
        if self._word is not None:
            # A look for a word takes a tenth of the time of a look for a pattern.
            word, is_folder = self._word
            return [path for path in paths if word in (f"/{path}" if is_folder else f"{path}/")]
        if self._spec is None:
            return []
        near = (path for path in paths if path.startswith(self._beginnings))
        return [path for path in near if self._spec.match_file(path)]


def _word_of(patterns: tuple[str, ...]) -> tuple[str, bool] | None:
    """Return a word that says the same as a lone pattern, and whether it is for folders; None if there is no such word.

    For folders, it is in a path with a slash in front, for names with a suffix in one with a slash at its end.
    """
    found = _IS_WORD.fullmatch(patterns[0]) if len(patterns) == 1 else None
    if found is None:
        return None
    return (f"/{found['folder']}", True) if found["folder"] else (f"{found['suffix']}/", False)


def _beginning_of(pattern: str) -> str:
    """Return a folder that all paths that a pattern matches are in, with a slash at its end; "" if there is none."""
    found = re.match(r"[\w-]+/(?=.)", pattern)
    return found[0] if found else ""


def escape(path: str) -> str:
    r"""Return the pattern that matches this path and no other.

    Example:
        `escape("data #1.csv")` is `"data\ \#1.csv"`.
    """
    return re.sub(r"([\\*?\[\]!# {])", r"\\\1", path)


def check_patterns(name: str, patterns: Iterable[str], entry: Path) -> None:
    """Raise `OptionError` for a pattern that can't match anything below `entry`, an absolute path.

    Example:
        `check_patterns("include", ["../shared"], entry)` raises it, and `["shared/"]` passes.
    """
    for pattern in patterns:
        fault = _pattern_fault(_anchor(pattern).removeprefix("!"), entry)
        if fault:
            raise OptionError(f"{name} has {pattern!r}: {fault}. Patterns are those of a .gitignore file.")


def is_selective(pattern: str) -> bool:
    """Tell whether a pattern selects files: it isn't a comment, empty, or an exception that begins with `!`."""
    return bool(pattern.strip()) and not pattern.startswith(("#", "!"))


def _pattern_fault(pattern: str, entry: Path) -> str | None:
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
    # Imported here: most packages have no patterns, and the import takes longer than an unchanged build.
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(map(_anchor, patterns))
    except ValueError as error:
        raise OptionError(f"{list(patterns)!r} has a pattern that gitignore doesn't know: {error}.") from error


_MODULE_SUFFIXES = (".py", ".pyc", ".so")


def import_units(paths: Iterable[str]) -> frozenset[str]:
    """Return the modules and regular packages among `paths`, each by its path without a suffix.

    Each unit has one owner: it can't be put together from two distributions. Folders without `__init__.py` above it are
    namespaces, which any number of distributions fill together (PEP 420), as in `google/cloud/storage`. The `.libs`
    folders that repaired wheels keep shared libraries in are units too.

    Example:
        `import_units(["six.py", "yaml/__init__.py", "yaml/nodes.py"])` is `{"six", "yaml"}`.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    regular = {folder for folder, names in folders.items() if folder and any(map(_is_init, names))}
    return frozenset(unit for folder, names in folders.items() for unit in _units_of(folder, names, regular))


def is_importable(path: str) -> bool:
    """Tell whether a file of this path is code that an import could run.

    Example:
        True for `pkg/_x.cpython-313-x86_64-linux-gnu.so`, False for `pkg/py.typed`.
    """
    return path.endswith(_MODULE_SUFFIXES)


def _units_of(folder: str, names: Iterable[str], regular: set[str]) -> Iterator[str]:
    """Yield the units that the files of a folder are in; the folders of `regular` packages are told by their paths."""
    parts = folder.split("/")
    # A cache of bytecode belongs to its source.
    if CACHE_FOLDER in parts:
        return
    top = parts[0]
    if top.endswith(".libs"):
        yield top
        return
    # `bin` is where a wheel's scripts land; a folder whose name isn't an identifier can't be imported from.
    if folder and (top == "bin" or not top.isidentifier()):
        return
    packages = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    package = next((one for one in packages if one in regular), None)
    if package is not None:
        yield from [package] if any(map(is_importable, names)) else ()
        return
    # An extension module's file name is name.<abi>.so.
    stems = (name.split(".", 1)[0] for name in names if is_importable(name))
    yield from (f"{folder}/{stem}" if folder else stem for stem in stems)


def _is_init(name: str) -> bool:
    return name.startswith("__init__.") and name.endswith(_MODULE_SUFFIXES)
