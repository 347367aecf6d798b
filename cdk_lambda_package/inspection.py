"""Taking the facts that the checks ask for; what was learnt of a file is kept under the file's digest."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from cdk_lambda_package.app_directory.surroundings import find_unpackaged
from cdk_lambda_package.checks.contents import OWN, Notes, PackageContents
from cdk_lambda_package.meanwhile import Meanwhile
from cdk_lambda_package.modules.handler import find_handler
from cdk_lambda_package.modules.layers import read_layers
from cdk_lambda_package.splicing.archive import read_member
from cdk_lambda_package.splicing.segment import Segment
from cdk_lambda_package.splicing.tree import Entry
from cdk_lambda_package.stages import Inputs, Layout
from cdk_lambda_package.store import Store
from cdk_lambda_package.syntax.faults import find_syntax_faults

if TYPE_CHECKING:
    from cdk_lambda_package.binaries.facts import BinaryFacts

ReadContent = Callable[[str], bytes]
"""Gives the content of a file by its path in the package."""


@contextlib.contextmanager
def inspecting(inputs: Inputs, layout: Layout, store: Store, *, notes: Notes) -> Iterator[PackageContents]:
    """Lend the package as the checks see it, and keep what they learn of it.

    Raises `OptionError` for layers that can't be meant, and `CheckError` where nobody knows what can be compiled.
    """
    entries = {entry.path: entry for entry in layout.tree.entries}
    read = _content_reader(layout, entries)
    own = [entry for entry in layout.tree.entries if entry.owner in OWN and entry.path.endswith(".py")]
    index = inputs.app.index
    with Meanwhile(lambda: find_syntax_faults(own, read, inputs.target, store)) as syntax_faults:
        # Imported here, while another process looks for faults.
        from cdk_lambda_package.checks.import_graph import trace_imports
        from cdk_lambda_package.modules.facts_reader import FactsReader

        facts = FactsReader(entries, read, inputs.target.runtime.version, store)
        contents = PackageContents(
            target=inputs.target,
            index=index,
            handler=find_handler(facts.read(index), inputs.request.handler_name),
            entries=entries,
            module_facts=facts.read,
            binaries=_find_binaries(layout),
            layers=read_layers(inputs.request.layers),
            provided=tuple(sorted(inputs.request.packaging.provided or ())),
            unpackaged=find_unpackaged(inputs.app, deep=bool(inputs.request.packaging.exclude)),
            decisions=layout.tree.decisions,
            archive_size=sum(_measure(splice.segment, splice.kept) for splice in layout.splices),
            notes=notes,
        )
        # Every package needs it, and it is remembered in `contents`.
        trace_imports(contents)
        faults = syntax_faults.result()
    yield dataclasses.replace(contents, syntax_faults=faults)
    facts.save()


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


def _find_binaries(layout: Layout) -> Mapping[str, BinaryFacts]:
    found = {owner: segment.facts.get("binaries", {}) for owner, segment in layout.segments.items()}
    if not any(found.values()):
        return {}
    # Imported here: few packages have a binary that nobody vouches for.
    from cdk_lambda_package.binaries.facts import BinaryFacts

    kept = {entry.path: entry.owner for entry in layout.tree.entries}
    return {
        path: BinaryFacts.from_json(facts)
        for owner, binaries in found.items()
        for path, facts in binaries.items()
        if kept.get(path) == owner
    }


def _measure(segment: Segment, kept: tuple[int, ...]) -> int:
    return sum(segment.compressed_size(index) for index in kept)
