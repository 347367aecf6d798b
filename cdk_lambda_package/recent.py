"""Values that a process used last: many functions of an app ask for the same ones."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The values that were used last, by key, up to a weight of all. Threads may share it.

    Example:
        ```python
        recent = Recent[Segment](20_000)
        recent.put(key, segment, weight=len(segment.members))
        recent.get(key)
        ```
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._weight = limit, 0
        # The oldest first.
        self._values: dict[Hashable, tuple[T, int]] = {}
        self._one_at_a_time = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """Return the value of a key; None if there is none."""
        with self._one_at_a_time:
            found = self._values.pop(key, None)
            if found is None:
                return None
            self._values[key] = found
            return found[0]

    def put(self, key: Hashable, value: T, *, weight: int = 1) -> None:
        """Keep a value, and drop those that were used longest ago."""
        with self._one_at_a_time:
            self._drop(key)
            self._values[key] = value, weight
            self._weight += weight
            while self._weight > self._limit:
                self._drop(next(iter(self._values)))

    def drop(self, key: Hashable) -> None:
        """Forget a value, if it is there."""
        with self._one_at_a_time:
            self._drop(key)

    def clear(self) -> None:
        """Forget all values."""
        with self._one_at_a_time:
            self._values.clear()
            self._weight = 0

    def _drop(self, key: Hashable) -> None:
        _, weight = self._values.pop(key, (None, 0))
        self._weight -= weight
