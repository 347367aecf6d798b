"""Requirements and markers that others wrote, parsed with errors that name their place.

`packaging` raises kinds of its own, `RecursionError` for what is nested thousands of times, and `ValueError` for versions of
thousands of digits, the latter only when they are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Required, TypedDict

from cdk_lambda_package.errors import LockError, PackageError, shorten

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.pylock import Pylock
    from packaging.requirements import Requirement

# Python converts no number of more than 4,300 digits, and no version has a tenth of it.
_LONGEST_VERSION = 400


def parse_requirement(text: str, place: object, *, kind: type[PackageError] = LockError) -> Requirement:
    """Return a requirement (PEP 508); `place` is where it was written. Raises an error of the kind.

    Example:
        `parse_requirement("requests>=2", "uv.lock").name` is "requests".
    """
    # Imported here: an unchanged package parses none.
    from packaging.requirements import Requirement

    try:
        requirement = Requirement(text)
        if any(len(part.version) > _LONGEST_VERSION for part in requirement.specifier):
            raise ValueError("its version is too long")
    except (ValueError, RecursionError) as error:
        raise kind(
            f"{place} has {shorten(text)!r}, which is not a valid requirement: {_reason(error)}. Correct it."
        ) from error
    return requirement


def parse_marker(text: str, place: object) -> Marker:
    """Return an environment marker (PEP 508); `place` is where it was written. Raises `LockError`."""
    # Imported here: an unchanged package parses none.
    from packaging.markers import Marker

    try:
        return Marker(text)
    except (ValueError, RecursionError) as error:
        raise LockError(
            f"{place} has the marker {shorten(text)!r}, which is not valid: {_reason(error)}. Correct it."
        ) from error


class _OurRow(TypedDict, total=False):
    """A requirement that a lock of this library was written for."""

    name: Required[str]
    extras: list[str]


class _Ours(TypedDict, total=False):
    """What this library writes into the `tool` table of a lock."""

    targets: list[str]
    requirements: list[_OurRow]


class _Lock(TypedDict, total=False):
    packages: list[dict[str, Any]]
    tool: dict[str, Any]


_Tool = TypedDict("_Tool", {"cdk-lambda-package": _Ours}, total=False)


class _OurLock(TypedDict, total=False):
    tool: _Tool


def parse_pylock(content: dict[str, Any], place: object) -> Pylock:
    """Return a lock (PEP 751) from the tables of its file; `place` names it.

    What a package's `tool` says is left out: that something was built here isn't for a file to say. Raises `LockError`.
    """
    # Imported here: an unchanged package parses no lock.
    from packaging.pylock import Pylock, PylockValidationError

    from cdk_lambda_package.toml_files import shaped

    rows = shaped(content, _Lock, place).get("packages", [])
    shaped(content, _OurLock, place)
    content = {**content, "packages": [{key: row[key] for key in row if key != "tool"} for row in rows]}
    try:
        return Pylock.from_dict(content)
    except (ValueError, TypeError, RecursionError, PylockValidationError) as error:
        raise LockError(f"{place} isn't a lock as PEP 751 has it: {_reason(error)}. Write it again.") from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # The rest shows the text once more.
    return shorten(str(error).split("\n", 1)[0]).rstrip(".") or "it can't be read"
