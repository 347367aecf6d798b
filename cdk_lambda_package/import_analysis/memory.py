"""What is known of files, remembered by the digest of each; one record for a group of files.

A record for each file would be simpler, but reading two thousand of them takes longer than using what they say.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from cdk_lambda_package.import_analysis.facts import ModuleFacts
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.store import Store, remembered

T = TypeVar("T")

# Beyond so many values in proportion to the group's files, those of other files are dropped.
_SPARE, _FACTOR = 64, 4


class SourceFile(NamedTuple):
    """A file with Python source.

    Attributes:
        digest: The sha256 (hex) of its content.
        group: What is known of the files of a group is remembered together, such as those of one distribution.
        followed: Whether its imports are followed.
        own: Whether a name is reported as missing if this file imports it. Name lists of other people's modules are too
            often incomplete.
    """

    digest: str
    group: str
    followed: bool = True
    own: bool = True


class TextFault(NamedTuple):
    """Why a source can't be compiled; ordered by line and column, from 1. It isn't `certain` if the parser gave up."""

    line: int
    column: int
    message: str
    certain: bool = True


@remembered("modules", version=6)
@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The facts of modules, by their digests."""

    by_digest: dict[str, ModuleFacts]


@remembered("syntax", version=3)
@dataclass(frozen=True, slots=True)
class GroupFaults:
    """The first fault of sources, by their digests; None for sound ones."""

    by_digest: dict[str, TextFault | None]


class _Record(Protocol[T]):
    @property
    def by_digest(self) -> dict[str, T]: ...


class GroupMemory(Generic[T]):
    """What is known of the files of a group, by the digest of each: `by_digest`.

    An edit changes a digest and not the group. Groups whose files have the same paths share a record, and each adds to it.
    """

    def __init__(self, kind: type[_Record[T]], paths: Collection[str], context: object, store: Store | None) -> None:
        """Recall the record; `context` is what else the values depend on."""
        self._kind, self._store, self._size = kind, store, len(paths)
        self._key = key_of(context, parser_versions(), sorted(paths))
        known = store.recall(kind, self._key) if store is not None else None
        self.by_digest: dict[str, T] = known.by_digest if known is not None else {}
        self._count = len(self.by_digest)

    def save(self, current: Collection[str]) -> None:
        """Remember what was added, if anything was; `current` are the digests of the group's files."""
        if self._store is None or len(self.by_digest) == self._count:
            return
        if len(self.by_digest) > _FACTOR * self._size + _SPARE:
            self.by_digest = {digest: value for digest, value in self.by_digest.items() if digest in current}
        self._store.remember(self._kind(self.by_digest), self._key)  # type: ignore[call-arg]
        self._count = len(self.by_digest)


def parser_versions() -> tuple[str, ...]:
    """Return the versions of the parsers: another version may say something else about the same source."""
    return installed_versions("ruff", "tree_sitter", "tree_sitter_python")
