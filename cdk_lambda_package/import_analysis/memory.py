"""The memory of what was read of sources: records in the store, each with the values of a group of files by their digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cdk_lambda_package.import_analysis.facts import ModuleFacts, SourceFile, TextFault
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.store import Store, remembered

T = TypeVar("T")

# A record has up to so many values in proportion to the group's files; then those of other files are dropped.
_SPARE, _FACTOR = 64, 4


@remembered("modules", version=11)
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
    def __init__(self, by_digest: dict[str, T]) -> None: ...

    @property
    def by_digest(self) -> dict[str, T]: ...


class SourceMemory(Generic[T]):
    """What is known of sources: the values of each group, by the digests of its files.

    A record for each file would be simpler, but reading two thousand of them takes longer than using what they say.
    An edit changes a digest and not the group. Groups whose files have the same paths share a record, and each adds to it.
    """

    def __init__(
        self, kind: type[_Record[T]], sources: Mapping[str, SourceFile], context: object, store: Store | None
    ) -> None:
        """Remember values of `sources`, by path, as records of a kind; `context` is what else the values depend on."""
        self._kind, self._sources, self._context, self._store = kind, sources, context, store
        self._groups: dict[str, dict[str, str]] = {}
        for path, source in sources.items():
            self._groups.setdefault(source.group, {})[path] = source.digest
        self._values: dict[str, dict[str, T]] = {}
        self._counts: dict[str, int] = {}

    def values_near(self, path: str) -> dict[str, T]:
        """Return the values of the group of the source at `path`; what is added is saved by `save`."""
        group = self._sources[path].group
        if group not in self._values:
            known = self._store.recall(self._kind, self._key(group)) if self._store is not None else None
            self._values[group] = known.by_digest if known is not None else {}
            self._counts[group] = len(self._values[group])
        return self._values[group]

    def save(self) -> None:
        """Remember the values of the groups to which some were added."""
        for group, values in self._values.items():
            if self._store is None or len(values) == self._counts[group]:
                continue
            current = self._groups[group].values()
            full = len(values) > _FACTOR * len(current) + _SPARE
            kept = {digest: value for digest, value in values.items() if not full or digest in current}
            self._store.remember(self._kind(kept), self._key(group))
            self._counts[group] = len(values)

    def _key(self, group: str) -> str:
        return key_of((self._context, group), parser_versions(), sorted(self._groups[group]))


def parser_versions() -> tuple[str, ...]:
    """Return the versions of the parsers: another version may say something else about the same source."""
    return installed_versions("ruff", "tree_sitter", "tree_sitter_python")
