"""Keys: the digests under which the store keeps values, computed from all that a value depends on.

A key covers every field of the dataclasses that it is made of. A field that doesn't change the result is marked with the
reason, so that a new field is in the key unless it is marked:

    @dataclass(frozen=True)
    class Question:
        text: str
        place: Path = field(metadata=outside_key("the content counts, and `text` is that"))

The digest is the same on every machine. A `Path` is rejected: what a path means differs between machines and checkouts,
so its content, or its place relative to the repository, belongs in the key instead.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

_REASON = "outside_key"


def outside_key(reason: str) -> dict[str, Any]:
    """Return the `metadata` of a dataclass field that is in no key; `reason` says why it can't change the result."""
    return {_REASON: reason}


def key_of(*parts: object) -> str:
    """Return the sha256 (hex) of the parts: dataclasses, collections, enums, times, text, numbers and bytes.

    Raises `TypeError` for any other type, a `Path` among them.

    Example:
        `key_of("resolution 4", request)` differs from `key_of("resolution 5", request)`.
    """
    # JSON frames every part, so that no two different values have the same text.
    return hashlib.sha256(json.dumps(_plain_items(parts)).encode()).hexdigest()


# Values that JSON has as they are. They are most of a key, and aren't worth a call.
_PLAIN = frozenset({str, int, bool, float, type(None)})


def _plain(value: object) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return _plain_items(value)  # type: ignore[arg-type]
    read = _key_reader(kind)  # type: ignore[arg-type]
    return _plain_items(read(value)) if read is not None else _plain_other(value)


def _plain_items(values: Iterable[object]) -> list[Any]:
    return [value if type(value) in _PLAIN else _plain(value) for value in values]


def _plain_other(value: object) -> Any:
    match value:
        case enum.Enum():
            return value.value
        case str():
            return str(value)
        case bytes():
            return {"bytes": value.hex()}
        case datetime():
            return {"time": value.isoformat()}
        case timedelta():
            return {"seconds": value.total_seconds()}
        case Mapping():
            return {"items": sorted([_plain(key), _plain(item)] for key, item in value.items())}
        case AbstractSet():
            return {"set": sorted(map(_plain, value))}
        case Sequence():
            return _plain_items(value)
    raise TypeError(f"{value!r} can't be part of a key: {type(value).__name__} isn't the same on every machine.")


@cache
def _key_reader(kind: Any) -> Callable[[Any], tuple[Any, ...]] | None:
    if not dataclasses.is_dataclass(kind):
        return None
    names = [field.name for field in dataclasses.fields(kind) if _REASON not in field.metadata]
    if len(names) == 1:
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names) if names else lambda _: ()


def installed_versions(*distributions: str) -> tuple[str, ...]:
    """Return the installed versions of distributions, for keys of what these compute; looked up once in each process.

    Example:
        `installed_versions("ruff")` is `("ruff-0.17.6.dist-info",)`.
    """
    return _installed_versions(tuple(dict.fromkeys(sys.path)), distributions)


@cache
def _installed_versions(folders: tuple[str, ...], distributions: tuple[str, ...]) -> tuple[str, ...]:
    # By the names of metadata folders: importing importlib.metadata takes longer than checking an unchanged package.
    patterns = [f"{name}-*.dist-info" for name in distributions]
    return tuple(sorted({path.name for folder in folders for name in patterns for path in Path(folder).glob(name)}))
