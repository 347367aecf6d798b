"""Facts of a package's modules, taken once for each source and kept in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cdk_lambda_package.modules.facts import Binding, ImportStatement, Kind, ModuleFacts
from cdk_lambda_package.modules.group_record import GroupRecord
from cdk_lambda_package.modules.parser_versions import describe_parsers
from cdk_lambda_package.modules.reader import read_module
from cdk_lambda_package.splicing.tree import Entry
from cdk_lambda_package.store import Store

_KIND = "modules"
# Part of the key: raised whenever other facts are taken of the same source.
FORMAT = "m5"
# Calling an enum takes ten times as long, and there are many names in many modules.
_KINDS = {kind.value: kind for kind in Kind}


class FactsReader:
    """Reads the facts of modules by their paths; `save` keeps those that were new."""

    def __init__(
        self, entries: Mapping[str, Entry], read: Callable[[str], bytes], python: tuple[int, int], store: Store
    ) -> None:
        self._entries, self._read, self._python, self._store = entries, read, python, store
        self._records: dict[str, GroupRecord] = {}
        self._facts: dict[str, ModuleFacts] = {}

    def read(self, path: str) -> ModuleFacts:
        """Return a module's facts."""
        facts = self._facts.get(path)
        if facts is None:
            facts = self._facts[path] = self._find(self._entries[path])
        return facts

    def save(self) -> None:
        """Keep what was learnt."""
        for record in self._records.values():
            record.save()

    def _find(self, entry: Entry) -> ModuleFacts:
        record = self._records.get(entry.owner)
        if record is None:
            record = self._records[entry.owner] = self._open(entry.owner)
        if entry.digest in record:
            return _decode(record[entry.digest])
        facts = read_module(self._read(entry.path), self._python)
        record[entry.digest] = _encode(facts)
        return facts

    def _open(self, owner: str) -> GroupRecord:
        group = [one for one in self._entries.values() if one.owner == owner and one.path.endswith(".py")]
        return GroupRecord(self._store, _KIND, group, f"{FORMAT} {self._python} {owner} {describe_parsers()}")


def _encode(facts: ModuleFacts) -> list[Any]:
    return [facts.imports, facts.bindings, facts.opaque, facts.exported, facts.changes_path, facts.given,
            facts.imports_any]  # fmt: skip


def _decode(columns: list[Any]) -> ModuleFacts:
    imports, bindings, opaque, exported, changes_path, given, imports_any = columns
    return ModuleFacts(
        imports=tuple(map(ImportStatement.from_json, imports)),
        bindings=tuple(Binding(name, _KINDS[kind], line, first) for name, kind, line, first in bindings),
        opaque=opaque,
        exported=tuple(exported) if exported is not None else None,
        changes_path=changes_path,
        given=tuple(given),
        imports_any=imports_any,
    )
