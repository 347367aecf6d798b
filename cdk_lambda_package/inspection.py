"""Taking the facts that the checks ask for; what was learnt of a file is kept under the file's digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cdk_lambda_package.archive import read_member
from cdk_lambda_package.checks.contents import OWN, PackageContents, SyntaxFault
from cdk_lambda_package.handler import find_handler
from cdk_lambda_package.inputs import Inputs
from cdk_lambda_package.layers import read_layers
from cdk_lambda_package.layout import Layout
from cdk_lambda_package.module_reader import read_module
from cdk_lambda_package.modules import Binding, ImportStatement, Kind, ModuleFacts
from cdk_lambda_package.segment import Segment
from cdk_lambda_package.store import Store
from cdk_lambda_package.surroundings import find_unpackaged
from cdk_lambda_package.syntax import find_syntax_faults
from cdk_lambda_package.tree import Entry

if TYPE_CHECKING:
    from cdk_lambda_package.binary_facts import BinaryFacts

_MODULES = "modules"
# Part of the key: raised whenever other facts are taken of the same source.
_FACTS_FORMAT = "m2"

ReadContent = Callable[[str], bytes]
"""Gives the content of a file by its path in the package."""


def inspect(inputs: Inputs, layout: Layout, store: Store) -> PackageContents:
    """Return the package as the checks see it. Raises `OptionError` for a handler or layers that can't be meant."""
    entries = {entry.path: entry for entry in layout.tree.entries}
    read = _content_reader(layout, entries)
    read_facts = _facts_reader(entries, read, inputs.target.runtime.version, store)
    own = [entry for entry in layout.tree.entries if entry.owner in OWN and entry.path.endswith(".py")]
    faults: tuple[SyntaxFault, ...] = find_syntax_faults(own, read, inputs.target, store)
    index = inputs.app.index
    return PackageContents(
        target=inputs.target,
        index=index,
        handler=find_handler(read_facts(index), inputs.request.handler_name),
        entries=entries,
        module_facts=read_facts,
        syntax_faults=faults,
        binaries=_find_binaries(layout),
        layers=read_layers(inputs.request.layers),
        provided=tuple(sorted(inputs.request.provided)),
        unpackaged=find_unpackaged(inputs.app, deep=bool(inputs.request.exclude)),
        decisions=layout.tree.decisions,
        archive_size=sum(_measure(splice.segment, splice.kept) for splice in layout.splices),
    )


def _content_reader(layout: Layout, entries: Mapping[str, Entry]) -> ReadContent:
    @cache
    def list_places(owner: str) -> Mapping[str, int]:
        return {
            part.members[index].path: index for part in layout.tree.parts if part.owner == owner for index in part.kept
        }

    def read(path: str) -> bytes:
        owner = entries[path].owner
        return read_member(layout.segments[owner], list_places(owner)[path])

    return read


def _facts_reader(
    entries: Mapping[str, Entry], read: ReadContent, python: tuple[int, int], store: Store
) -> Callable[[str], ModuleFacts]:
    @cache
    def read_facts(path: str) -> ModuleFacts:
        key = f"{_FACTS_FORMAT}-{python[0]}.{python[1]}-{entries[path].digest}"
        content = store.read(_MODULES, key)
        if content is not None:
            return _decode(json.loads(content))
        facts = read_module(read(path), python)
        store.write(json.dumps(_encode(facts)).encode(), _MODULES, key)
        return facts

    return read_facts


def _encode(facts: ModuleFacts) -> list[Any]:
    return [facts.imports, facts.bindings, facts.opaque, facts.exported, facts.changes_path]


def _decode(columns: list[Any]) -> ModuleFacts:
    imports, bindings, opaque, exported, changes_path = columns
    return ModuleFacts(
        imports=tuple(map(_decode_import, imports)),
        bindings=tuple(Binding(name, Kind(kind), line) for name, kind, line in bindings),
        opaque=opaque,
        exported=tuple(exported) if exported is not None else None,
        changes_path=changes_path,
    )


def _decode_import(row: list[Any]) -> ImportStatement:
    module, level, names, line, certain, guarded, if_missing, if_found = row
    return ImportStatement(module, level, tuple(names), line, certain, guarded, tuple(if_missing), tuple(if_found))


def _find_binaries(layout: Layout) -> Mapping[str, BinaryFacts]:
    found = {owner: segment.facts.get("binaries", {}) for owner, segment in layout.segments.items()}
    if not any(found.values()):
        return {}
    # Imported here: few packages have a binary that nobody vouches for.
    from cdk_lambda_package.binary_facts import BinaryFacts

    kept = {entry.path: entry.owner for entry in layout.tree.entries}
    return {
        path: BinaryFacts.from_json(facts)
        for owner, binaries in found.items()
        for path, facts in binaries.items()
        if kept.get(path) == owner
    }


def _measure(segment: Segment, kept: tuple[int, ...]) -> int:
    return sum(segment.compressed_size(index) for index in kept)
