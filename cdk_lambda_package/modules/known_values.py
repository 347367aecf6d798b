"""Values of which not everything is known, and what can be said of them all the same. Pure."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

UNKNOWN: Final = object()
"""The value of what can't be known."""


class Beginning:
    """A tuple or text of which only the beginning is known; it is longer than that, and so never empty."""

    def __init__(self, known: tuple[object, ...] | str) -> None:
        self.known = known

    def compare(self, other: object) -> int | None:
        """Return -1 or 1 as this is less or greater; None where that can't be known."""
        if not isinstance(other, tuple | str) or type(other) is not type(self.known):
            return None
        pairs: Iterable[tuple[Any, Any]] = zip(self.known, other, strict=False)
        differing = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if differing is not None:
            with contextlib.suppress(TypeError):  # a number beside a text
                return -1 if differing[0] < differing[1] else 1
            return None
        # What ends within the known beginning is less than what goes on behind it.
        return 1 if len(other) <= len(self.known) else None


_ORDER: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


def truth_of(value: object) -> bool | None:
    """Tell whether a value is true; None where that can't be known."""
    if value is UNKNOWN:
        return None
    return True if isinstance(value, Beginning) else bool(value)


def relate(one: object, sign: str, other: object) -> bool | None:
    """Tell whether a comparison holds; None where that can't be known."""
    if UNKNOWN in (one, other):
        return None
    if sign in ("in", "not in"):
        return _contains(other, one, sign)
    if isinstance(one, Beginning) or isinstance(other, Beginning):
        return _relate_beginning(one, sign, other)
    if sign in ("is", "is not"):
        sign = {"is": "==", "is not": "!="}[sign]
    with contextlib.suppress(TypeError):
        return bool(_ORDER[sign](one, other))  # type: ignore[arg-type]
    return None


def _relate_beginning(one: object, sign: str, other: object) -> bool | None:
    if other is None or one is None:
        return {"is": False, "==": False, "is not": True, "!=": True}.get(sign)
    if isinstance(one, Beginning):
        order = one.compare(other)
    else:
        assert isinstance(other, Beginning)
        order = other.compare(one)
        order = -order if order is not None else None
    return _ORDER[sign](order, 0) if order is not None and sign in _ORDER else None


def _contains(container: object, item: object, sign: str) -> bool | None:
    texts = isinstance(container, str) and isinstance(item, str)
    if texts or (isinstance(container, tuple) and not isinstance(item, Beginning)):
        return (item in container) is (sign == "in")  # type: ignore[operator]
    return None
