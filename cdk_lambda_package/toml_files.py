"""TOML files of projects, locks and tools, read with the types of the tables that are used of them.

A shape is a `TypedDict`. What it names is checked, and is all that the result has. A file that is edited by people and written by
other tools may have anything anywhere: it is an error that names the file, the key, and what should be there.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import msgspec

from cdk_lambda_package.decoding import convert
from cdk_lambda_package.errors import LockError, shorten

T = TypeVar("T")

# tomllib looks at each part of a dotted key once for each part before it, and what is nested is read by recursion. Nothing that
# is written by people or tools comes near these.
_DEEPEST = 100
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w\"'.-])(?:{_PART}\.[ \t]*+){{{_DEEPEST}}}")
_BRACKETS = re.compile(rf"(?:[\[{{][ \t\r\n]*+){{{_DEEPEST}}}")

# msgspec speaks of JSON.
_WORDS = {"object": "a table", "array": "a list", "str": "a string", "int": "an integer", "bool": "true or false",
          "float": "a number", "datetime": "a date and time", "null": "nothing"}  # fmt: skip
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `([^`]+)`(?: - at `\$?([^`]*)`)?")


def read_toml(path: Path, shape: type[T]) -> T:
    """Return what a TOML file has of a shape. Raises `LockError` naming the file, and the key if it is another type's.

    Example:
        `read_toml(Path("pyproject.toml"), PyProject).get("project", {}).get("dependencies", [])`
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    return decode_toml(content, shape, path)


def decode_toml(content: bytes, shape: type[T], place: object) -> T:
    """Return what a TOML file with this content has of a shape; `place` names it. Raises `LockError` as `read_toml` does.

    Example:
        `decode_toml(path.read_bytes(), PyProject, path)`
    """
    try:
        text = content.decode()
    except ValueError as error:
        raise _unreadable(place, error) from error
    return parse_toml(text, shape, place)


def _unreadable(place: object, reason: object) -> LockError:
    return LockError(f"{place} can't be read: {reason}. Save it as UTF-8, where this process can read it.")


def read_settings(path: Path, shape: type[T]) -> T:
    """Return what a TOML file has of a shape; a missing or invalid one is empty, since the tool that owns it reports its faults."""
    try:
        return read_toml(path, shape)
    except LockError:
        return shaped({}, shape, path)


def parse_toml(text: str, shape: type[T], place: object) -> T:
    """Return what a TOML document has of a shape; `place` names it. Raises `LockError` as `read_toml` does."""
    try:
        if _BRACKETS.search(text) or any(map(_has_long_key, text.splitlines())):
            raise RecursionError
        content = tomllib.loads(text)
    except ValueError as error:
        raise LockError(f"{place} can't be read: {shorten(str(error))}. Correct it.") from error
    except RecursionError as error:
        raise LockError(
            f"{place} can't be read: its tables are nested more than {_DEEPEST} deep. Write it again."
        ) from error
    return shaped(content, shape, place)


def _has_long_key(line: str) -> bool:
    # Few lines have as many dots, and the count is a hundred times faster than the search.
    return line.count(".") >= _DEEPEST and _LONG_KEY.search(line) is not None


def shaped(content: object, shape: type[T], place: object) -> T:
    """Return what a value has of a shape. Raises `LockError` that names the place, the key, and what should be there.

    Example:
        `shaped({"tool": "x"}, PyProject, "pyproject.toml")` raises "pyproject.toml: tool should be a table, not a string."
    """
    try:
        shaped_content: T = convert(content, shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise LockError(f"{place}: {_explain(str(error))}") from error
    return shaped_content


def _explain(text: str) -> str:
    match = _EXPECTED.match(text)
    if match is None:
        return f"{shorten(text)}. Correct it."
    wanted, found = (
        " or ".join(_WORDS.get(word.strip(), word.strip()) for word in part.split("|")) for part in match.group(1, 2)
    )
    key = re.sub(r"\[\.\.\.\]", ".*", match[3] or "").lstrip(".") or "its content"
    return f"{key} should be {wanted}, not {found}. Correct it."


# https://python-poetry.org/docs/pyproject/, https://python-poetry.org/docs/repositories/
class PoetryGroup(TypedDict, total=False):
    """A dependency group of poetry's."""

    dependencies: dict[str, Any]


class Poetry(TypedDict, total=False):
    """poetry's table."""

    dependencies: dict[str, Any]
    group: dict[str, PoetryGroup]
    source: list[dict[str, Any]]


class UvWorkspace(TypedDict, total=False):
    """uv's workspace."""

    members: list[str]


class UvSources(TypedDict, total=False):
    """uv's table, as far as it says where local projects are."""

    sources: dict[str, Any]
    workspace: UvWorkspace


class Tools(TypedDict, total=False):
    """The tables of tools."""

    poetry: Poetry
    uv: UvSources


# https://packaging.python.org/specifications/pyproject-toml/, and PEP 735 for the groups
Project = TypedDict(
    "Project",
    {"name": str, "dependencies": list[str], "optional-dependencies": dict[str, list[str]], "dynamic": list[str]},
    total=False,
)
PyProject = TypedDict(
    "PyProject",
    {"project": Project, "dependency-groups": dict[str, list[str | dict[str, Any]]], "tool": Tools},
    total=False,
)
"""pyproject.toml as its readers use it."""


class ProjectOnly(TypedDict, total=False):
    """pyproject.toml without the tables of tools and the groups, which have nothing to do with it."""

    project: Project
