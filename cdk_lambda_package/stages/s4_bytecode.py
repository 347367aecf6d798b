"""Stage 4, its end: add the bytecode of the modules that a package's own files lead to, or of all."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from cdk_lambda_package.bytecode import Compilation, CompiledModule, bytecode_path, identity_of
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.failures import during
from cdk_lambda_package.paths import import_units, is_importable
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, OWN, Entry, Layout, Segment, Splice
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import places_of, shared_by
from cdk_lambda_package.stages.s5_checks import read_own_contents, reader_of, reading_modules
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import LARGEST_PACKAGE

if TYPE_CHECKING:
    from cdk_lambda_package.checks import PackageContents

# The app's own code may be edited in Lambda's console, so that Python checks whether its bytecode is current.
_CHECKED = (APP, AFTER_PACKAGING)


@during("compiling modules")
def add_bytecode(
    inputs: Inputs, layout: Layout, read: Callable[[], PackageContents], store: Store, progress: Progress
) -> Layout:
    """Return the layout with .pyc files beside the modules that are compiled; the same one if none are.

    `read` returns what `read_contents` does. What is reached is told by the package's own files alone: neither by layers nor by the
    machine. Raises `HostError` if the interpreter doesn't do its work.
    """
    if inputs.compiler is None:
        return layout
    sources = [entry for entry in layout.tree.entries if entry.path.endswith(".py") and is_importable(entry.path)]
    added: _Added = []
    note = ""
    for chosen, outcome in _choices(inputs, layout, read, store):
        modules = [one for one in sources if chosen is None or one.path in chosen]
        added = _compile(inputs, layout, modules, store, progress)
        note = outcome
        if _size(layout, added) <= LARGEST_PACKAGE:
            break
    layout = _without(layout, _paths(added))
    tree = layout.tree
    entries = tuple(sorted((*tree.entries, *(entry for _, found in added for entry in found))))
    splices = (*layout.splices, *(Splice.whole(segment) for segment, found in added if found))
    findings = (*tree.findings, _skipped(note)) if note else tree.findings
    return dataclasses.replace(
        layout, tree=dataclasses.replace(tree, entries=entries, findings=findings), splices=splices
    )


def _without(layout: Layout, paths: frozenset[str]) -> Layout:
    """Return a layout without the user's own bytecode of modules that were compiled: a path has one file."""
    tree = layout.tree
    owners = {entry.owner for entry in tree.entries if entry.path in paths}
    if not owners:
        return layout
    kept = {
        owner: tuple(index for index in indices if layout.owned[owner].members[index].path not in paths)
        for owner, indices in tree.kept.items()
    }
    splices = tuple(
        Splice(
            segment=splice.segment,
            kept=tuple(index for index in splice.kept if splice.segment.members[index].path not in paths),
        )
        for splice in layout.splices
    )
    entries = tuple(entry for entry in tree.entries if entry.path not in paths)
    return dataclasses.replace(layout, tree=dataclasses.replace(tree, entries=entries, kept=kept), splices=splices)


def _paths(added: _Added) -> frozenset[str]:
    return frozenset(entry.path for _, found in added for entry in found)


_Added = list[tuple[Segment, list[Entry]]]


def _choices(
    inputs: Inputs, layout: Layout, read: Callable[[], PackageContents], store: Store
) -> Iterator[tuple[frozenset[str] | None, str]]:
    """Yield the modules to compile, None for all: what is asked for, then less and less, with what to say of it.

    A first invocation loads more than the handler's import does, since it calls functions that import modules. A layer has what any of
    its functions reaches.
    """
    if inputs.compiles_all:
        yield None, ""
    if not inputs.compiles_all or inputs.app.index or inputs.root:
        contents = read_own_contents(inputs, layout, store) if inputs.request.layers else read()
        with reading_modules(layout, store):
            reach = contents.imports.reach(*_top_modules(contents.entries)) if inputs.root else contents.reach
            contents.imports.save()
        is_shared = shared_by(inputs, layout)
        shared = {entry.path for entry in layout.tree.entries if is_shared(entry)}
        reached = {path for one in inputs.companions for path in one.reached} & shared
        imported = {path for one in inputs.companions for path in one.imported} & shared
        outcome = "only the modules that are reached were compiled" if inputs.compiles_all else ""
        yield reach.all | reached, outcome
        imported |= reach.certain | reach.perhaps
        yield frozenset(imported), "only the modules that the handler's import may load were compiled"
    yield frozenset(), "nothing was compiled"


def _top_modules(paths: Collection[str]) -> list[str]:
    """Return the paths of the modules and packages that the functions of a layer with these files may import by their names."""
    units = sorted(import_units(paths))
    return [path for unit in units for path in (f"{unit}.py", f"{unit}/__init__.py") if path in paths]


def _compile(inputs: Inputs, layout: Layout, modules: Iterable[Entry], store: Store, progress: Progress) -> _Added:
    compiler = inputs.compiler
    assert compiler is not None
    entries = {entry.path: entry for entry in layout.tree.entries}
    read, where = reader_of(layout, entries), places_of(inputs, layout)
    owned: defaultdict[tuple[str, str], list[CompiledModule]] = defaultdict(list)
    edited = {*_CHECKED, *inputs.projects}
    for entry in modules:
        module = CompiledModule(entry.path, entry.digest, entry.owner in edited)
        owned[entry.owner, where(entry).folder].append(module)
    # Imported here: most packages have no bytecode.
    from concurrent.futures import ThreadPoolExecutor

    def overlay(chosen: tuple[str, str]) -> tuple[Segment, list[Entry]]:
        (owner, place), modules = chosen, owned[chosen]
        compilation = Compilation(compiler, inputs.compiler_program, place, read, store)
        is_own = owner in OWN
        segment = compilation.of_own(modules) if is_own else compilation.of_wheel(layout.owned[owner].key, modules)
        identities = {bytecode_path(module.path, compiler): identity_of(module, compiler) for module in modules}
        return segment, [Entry.of(member, owner, identities[member.path]) for member in segment.members]

    with progress.step("compiling modules"), ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(overlay, sorted(owned)))


def _size(layout: Layout, added: _Added) -> int:
    replaced = _paths(added)
    kept = sum(entry.size for entry in layout.tree.entries if entry.path not in replaced)
    return kept + sum(entry.size for _, entries in added for entry in entries)


def _skipped(outcome: str) -> Finding:
    message = f"With more bytecode, the package would be larger than Lambda's limit of {LARGEST_PACKAGE:,} bytes, so {outcome}."
    return Finding(id="bytecode-skipped", severity=Severity.NOTE, message=message)
