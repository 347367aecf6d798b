"""The memory of what was read of sources: records in the store, each with the values of a group of files by their digests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.import_analysis.facts import ModuleFacts, SourceFile, TextFault
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.store import Store, remembered

T = TypeVar("T")

# A record has up to so many values in proportion to the group's files; then those of other files are dropped.
_SPARE, _FACTOR = 64, 4


@remembered("modules", version=24)
@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The facts of modules, by their digests, as JSON: a package needs few of them. Beyond `most`, it is time to drop old ones."""

    by_digest: dict[str, msgspec.Raw]
    most: int = 0


@remembered("syntax", version=5)
@dataclass(frozen=True, slots=True)
class GroupFaults:
    """The first fault of sources, by their digests, as JSON; null for sound ones. Beyond `most`, it is time to drop old ones."""

    by_digest: dict[str, msgspec.Raw]
    most: int = 0


class _Record(Protocol):
    def __init__(self, by_digest: dict[str, msgspec.Raw], most: int) -> None: ...

    @property
    def by_digest(self) -> dict[str, msgspec.Raw]: ...

    @property
    def most(self) -> int: ...


class _Place(NamedTuple):
    """The place of a group's record: its key, and the key of the wheel's segment that it goes with, if there is one."""

    key: str
    beside: str | None


class SourceMemory(Generic[T]):
    """What is known of sources: a value for each, in one record of the store for each group.

    A record for each file would be simpler, but reading two thousand of them takes longer than using what they say. The
    record of a wheel's files is that of the wheel: all packages with it share the record. An edit of the user's own files
    changes a digest and not the group. Groups of one name share a record, and each adds to it.

    Example:
        `SourceMemory(GroupFacts, ModuleFacts, sources, (3, 13), store).find("app.py")` is None if it wasn't read yet.
    """

    def __init__(
        self,
        record: type[_Record],
        kind: Any,
        sources: Mapping[str, SourceFile],
        context: object,
        store: Store | None,
    ) -> None:
        """Remember values of `sources`, by path, whose type is `kind`; `context` is what else the values depend on."""
        self._record, self._kind = record, kind
        self._sources, self._context, self._store = sources, context, store
        self._places: dict[str, _Place] = {}
        self._stored: dict[str, dict[str, msgspec.Raw]] = {}
        self._most: dict[str, int] = {}
        self._values: dict[str, T] = {}
        self._asked: dict[str, None] = {}
        self._added: dict[str, dict[str, T]] = {}

    def knows(self, path: str) -> bool:
        """Return whether the value of the source at `path` is known."""
        digest = self._sources[path].digest
        return digest in self._values or digest in self._records_near(path)

    def value(self, path: str) -> T:
        """Return the value of the source at `path`; raises `KeyError` if it isn't known."""
        digest = self._sources[path].digest
        self._asked[path] = None
        if digest not in self._values:
            self._values[digest] = decode(self._records_near(path)[digest], self._kind)
        return self._values[digest]

    def earlier(self, path: str, digest: str) -> T | None:
        """Return the value of a source that was at `path` before, by its digest; None if it isn't known any more."""
        known = self._records_near(path)
        value: T | None = decode(known[digest], self._kind) if digest in known else None
        return value

    def known_paths(self) -> Iterator[str]:
        """Yield the paths of the sources whose values were asked for."""
        yield from self._asked

    def add(self, path: str, value: T) -> None:
        """Note the value of the source at `path`; `save` keeps it."""
        source = self._sources[path]
        self._records_near(path)
        self._asked[path] = None
        self._values[source.digest] = self._added.setdefault(source.group, {})[source.digest] = value

    def _records_near(self, path: str) -> dict[str, msgspec.Raw]:
        source = self._sources[path]
        if source.group not in self._stored:
            place = self._places[source.group] = self._place(source)
            self._stored[source.group], self._most[source.group] = self._recalled(place)
        return self._stored[source.group]

    def _recalled(self, place: _Place) -> tuple[dict[str, msgspec.Raw], int]:
        known = self._store.recall(self._record, place.key, beside=place.beside) if self._store is not None else None
        return (known.by_digest, known.most) if known is not None else ({}, _SPARE)

    def save(self) -> None:
        """Remember the values of the groups to which some were added."""
        for group, added in self._added.items():
            if self._store is None or not added:
                continue
            place = self._places[group]
            with self._adding(place):
                values, most = self._stored[group], self._most[group]
                if place.beside is not None:
                    values = self._recalled(place)[0] | values
                values.update((digest, msgspec.Raw(msgspec.json.encode(value))) for digest, value in added.items())
                if place.beside is None and len(values) > most:
                    values, most = self._recent(values, group)
                self._stored[group], self._most[group] = values, most
                self._store.remember(self._record(values, most), place.key, beside=place.beside)
            added.clear()

    def _adding(self, place: _Place) -> AbstractContextManager[None]:
        """Keep others from adding to a wheel's record: that of the user's own files is of one entry directory."""
        if place.beside is None or self._store is None:
            return nullcontext()
        return self._store.lock(self._record.__name__, place.key, place.beside, doing="keeps what modules say")

    def _recent(self, values: dict[str, msgspec.Raw], group: str) -> tuple[dict[str, msgspec.Raw], int]:
        """Return the values to keep of a group, and how many there may be: all, unless most are of files that were edited since."""
        current = {source.digest for source in self._sources.values() if source.group == group}
        most = _FACTOR * len(current) + _SPARE
        if len(values) <= most:
            return values, most
        return {digest: value for digest, value in values.items() if digest in current}, most

    def _place(self, source: SourceFile) -> _Place:
        if source.segment is not None:
            return _Place(key_of(self._context, parser_versions()), source.segment)
        return _Place(key_of((self._context, source.group), parser_versions()), None)


def module_memory(sources: Mapping[str, SourceFile], context: object, store: Store | None) -> SourceMemory[ModuleFacts]:
    """Return the memory of modules' facts."""
    return SourceMemory(GroupFacts, ModuleFacts, sources, context, store)


def fault_memory(
    sources: Mapping[str, SourceFile], context: object, store: Store | None
) -> SourceMemory[TextFault | None]:
    """Return the memory of the first faults of sources."""
    return SourceMemory(GroupFaults, TextFault | None, sources, context, store)


def parser_versions() -> tuple[str, ...]:
    """Return the versions of the parsers: another version may say something else about the same source."""
    return installed_versions("ruff", "tree_sitter", "tree_sitter_python")
