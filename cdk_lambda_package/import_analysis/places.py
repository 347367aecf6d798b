"""The places of words in a module's source: most statements are told by them to have no effect, without a look at them.

Each look at a node of the tree crosses the border to C, and most of a module is bodies of functions, which have no effect on
it. The words without which nothing has an effect are rare: one in a thousand bytes. They are searched once in the whole
module, and whether a node has one is then a matter of two numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from tree_sitter import Node

_IN_WORD = re.compile(rb"\w")


class WordPlaces:
    """Where some words are in a source, in bytes."""

    def __init__(self, code: bytes, words: Iterable[bytes], *, called: Iterable[bytes] = ()) -> None:
        """Find the words in the whole code of a module, as its tree counts bytes; those of `called` with a bracket behind them."""
        self._code, self._words = code, set(words)
        places = [place for word in self._words for place in places_of(word, code)]
        places += (place for word in called for place in places_of(word, code) if _is_called(place + len(word), code))
        self._places = sorted(places)

    def add(self, word: bytes) -> None:
        """Look for one more word."""
        # A module may import another one hundreds of times.
        if word not in self._words:
            self._words.add(word)
            self._places = sorted([*self._places, *places_of(word, self._code)])

    def within(self, node: Node | None) -> bool:
        """Return whether one of the words begins in a node."""
        return node is not None and self.between(node.start_byte, node.end_byte)

    def between(self, start: int, end: int) -> bool:
        """Return whether one of the words begins between two places."""
        index = bisect_left(self._places, start)
        return index < len(self._places) and self._places[index] < end


def _is_called(end: int, code: bytes) -> bool:
    return code[end : end + 1] == b"(" or code[end : end + 2] == b" ("


def places_of(word: bytes, code: bytes) -> Iterator[int]:
    """Yield where a word begins, in order."""
    # By `find`, which is many times faster than a pattern of alternatives.
    place = code.find(word)
    while place >= 0:
        yield place
        place = code.find(word, place + 1)


def places_of_name(name: str, code: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a name begins and ends, alone or among others with dots; one that begins with a dot is an attribute's.

    Looking around each place is many times faster than a pattern that is made for the name.
    """
    word, is_attribute = name.encode(), name.startswith(".")
    for start in places_of(word, code):
        end = start + len(word)
        if not _IN_WORD.match(code, end) and (is_attribute or not _IN_WORD.match(code, start - 1, start)):
            yield start, end
