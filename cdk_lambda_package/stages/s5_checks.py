"""Stage 5: check what would fail on Lambda; the review is remembered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_lambda_package.binaries import BinaryFacts, is_named_as_library
from cdk_lambda_package.errors import Finding
from cdk_lambda_package.failures import during
from cdk_lambda_package.handlers import ANY_HANDLER, WRAPPER_VARIABLE
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.layers import Layer, read_layers, stamp_layers
from cdk_lambda_package.paths import is_cache
from cdk_lambda_package.requirements import find_requirers
from cdk_lambda_package.splicing import AFTER_PACKAGING, APP, OWN, VENDOR, Entry, Layout, read_metadata
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import places_of, shared_by
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import RUNTIMES

if TYPE_CHECKING:
    from cdk_lambda_package.checks import PackageContents

# The owners of files that change with an edit of the app.
_EDITED = (APP, AFTER_PACKAGING)


@remembered("checks", version=11)
@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """The findings of the checks, and the handler, None if it was neither given nor found.

    It is a name in the app's own module, or in full if it is given and in another one. `handler_names` are the names that the
    own module binds, None if they can't be known.
    """

    handler: str | None
    handler_names: tuple[str, ...] | None
    findings: tuple[Finding, ...]


@during("reading the layers")
def review_key(inputs: Inputs) -> str:
    """Return the key of a package's review: everything that the checks depend on."""
    return key_of(
        inputs.key,
        inputs.request.handler,
        inputs.request.called,
        WRAPPER_VARIABLE in inputs.request.environment,
        inputs.request.wrapped_handler(inputs.app.index),
        sorted(inputs.request.packaging.provided or ()),
        stamp_layers(inputs.request.layers),
        # The same wheel from elsewhere isn't the same to the checks: one that was built here has a tag that promises less.
        inputs.vouched,
        inputs.built,
        inputs.projects,
        # Errors about sizes and provided distributions say who requires what.
        find_requirers(inputs.wheels),
        # An error about a missing module suggests to package one that is there.
        inputs.app.unpackaged,
        _check_modules(),
        # The checks' parsers.
        installed_versions("ruff", "tree_sitter", "tree_sitter_python"),
    )


@cache
def _check_modules() -> tuple[str, ...]:
    """Return the names of the checks: one more makes another review. Listed, since importing the checks takes long."""
    return tuple(sorted(path.stem for path in Path(__file__).parents[1].joinpath("checks").glob("*.py")))


@during("checking the package")
def check_package(
    inputs: Inputs, layout: Layout, key: str, store: Store, contents: PackageContents | None = None
) -> Review:
    """Check a package, and remember the review under its key; `contents` are those of `read_contents`, if they were read.

    Raises `OptionError` for invalid layers, and `CheckError` if the syntax can't be checked.
    """
    # Imported here: an unchanged package needs no check.
    from cdk_lambda_package.checks import check

    contents = contents or read_contents(inputs, layout, store)
    given, outside, imports = inputs.request.handler, contents.handlers_outside, contents.imports
    with reading_modules(layout, store):
        names = imports.names(contents.index)
        own = None if contents.handler == ANY_HANDLER else contents.handler
        review = Review(
            handler=given if given in outside else own,
            handler_names=tuple(sorted(names.names)) if names.complete else None,
            findings=check(contents),
        )
        imports.save()
    store.remember(review, key)
    return review


def reading_modules(layout: Layout, store: Store) -> AbstractContextManager[None]:
    """Be the only thread that analyses imports of these wheels: the next one finds what was read of them in the store.

    Example:
        `with reading_modules(layout, store): contents.reach, contents.imports.save()`
    """
    return store.claims.alone(*(("analysis", one.key) for owner, one in layout.owned.items() if owner not in OWN))


@during("reading the package's imports")
def read_contents(inputs: Inputs, layout: Layout, store: Store, *, parse_ahead: bool = True) -> PackageContents:
    """Return a package as the checks see it, with the analysis of its imports, which reads modules when it is asked.

    With `parse_ahead`, the parser that finds syntax errors is started: `syntax_faults` must be asked for.

    Raises as `check_package` does.

    Example:
        `read_contents(inputs, layout, store).reach.certain`
    """
    from cdk_lambda_package.checks import (
        PackageContents,
        Surroundings,
        analyse_imports,
        app_modules,
        find_candidates,
    )

    target, index = inputs.target, inputs.app.index
    entries = {entry.path: entry for entry in layout.tree.entries}
    read = reader_of(layout, entries)
    layers = read_layers(inputs.request.layers)
    provided = tuple(sorted(inputs.request.packaging.provided or ()))
    binaries = _binaries(layout, entries)
    names = _key_of_names(inputs, layout, layers, binaries)
    vendored = layout.owned.get(VENDOR)
    surroundings = Surroundings(key_of(names, vendored and vendored.key), store)
    imports = analyse_imports(
        entries,
        read,
        target=target,
        index=index,
        binaries=binaries,
        layers=layers,
        provided=provided,
        segments={owner: files.key for owner, files in layout.owned.items() if owner not in OWN},
        surroundings=names,
        store=store,
    )
    # A runtime that ruff doesn't know yet is checked like the newest known one.
    versions = [target.runtime.version, *([RUNTIMES[-1].version] if target.assumed else [])]
    # The parser is a process: it looks at what was edited while the rest is done.
    own_modules = app_modules(imports, entries, index)
    if parse_ahead:
        imports.expect_faults(own_modules, versions, store)
    given, outside = inputs.request.handler, inputs.request.handlers_outside(index)
    candidates = find_candidates(imports, index) if given is None else ()
    default = candidates[0] if len(candidates) == 1 else None
    where = cache(lambda: places_of(inputs, layout))
    wrapped = inputs.request.wrapped_handler(index)
    name = wrapped.rpartition(".")[2] if wrapped and wrapped not in outside else ANY_HANDLER
    contents = PackageContents(
        target=target,
        index=index,
        handler=name if not index or given in outside else inputs.request.handler_name or default,
        entries=entries,
        imports=imports,
        surroundings=surroundings,
        faults=cache(lambda: imports.syntax_faults((own_modules | contents.reach.all) - {""}, versions, store)),
        binaries=binaries,
        bytecode={
            path: int.from_bytes(read(path)[:2], "little") for path in entries if _is_bytecode_alone(path, entries)
        },
        vouched=inputs.vouched,
        built=inputs.built,
        projects=inputs.projects,
        layers=layers,
        provided=provided,
        unpackaged=inputs.app.unpackaged,
        required_by=find_requirers(inputs.wheels),
        decisions=layout.tree.decisions,
        handlers_outside=outside,
        scripts={path: read(path).decode(errors="replace") for path in outside if _is_script(path, entries)},
        is_wrapped=WRAPPER_VARIABLE in inputs.request.environment,
        in_layer=shared_by(inputs, layout) if inputs.layer_root else None,
        place_on_lambda=lambda path: f"{where()(entries[path]).folder}/{path}",
        metadata=lambda owner: read_metadata(layout.owned.get(owner)),
        is_slim=inputs.request.packaging.value("slim"),
        omitted={omission.path: omission for omission in layout.omitted},
    )
    return contents


def read_own_contents(inputs: Inputs, layout: Layout, store: Store) -> PackageContents:
    """Return a package as `read_contents` does, without what layers add to it: what follows is the same wherever it is used.

    Example:
        `read_own_contents(inputs, layout, store).reach.certain`
    """
    bare = dataclasses.replace(inputs, request=dataclasses.replace(inputs.request, layers=()))
    return read_contents(bare, layout, store, parse_ahead=False)


def _key_of_names(inputs: Inputs, layout: Layout, layers: Iterable[Layer], binaries: Mapping[str, BinaryFacts]) -> str:
    """Return the key of everything but the content of the user's own sources and data, and of those in vendor/.

    With what is in vendor/, it is the key of `Surroundings`.
    """
    # Segments say what is in them, and members that were left out what isn't.
    segments = {
        owner: (files.key, None if len(kept) == len(files.members) else kept)
        for owner, files in layout.owned.items()
        if owner not in (*_EDITED, VENDOR) and (kept := layout.tree.kept.get(owner)) is not None
    }
    # As one text, since there may be many. No path has a line break.
    vendored = "\n".join(
        f"{path} {member.digest}" if (path := member.path) in binaries else path
        for member in (layout.owned[VENDOR].members[index] for index in layout.tree.kept.get(VENDOR, ()))
    )
    edited = [
        (entry.path, entry.owner, None if _may_change(entry, inputs.app.index, binaries) else entry.digest)
        for owner in _EDITED
        if owner in layout.tree.kept
        for entry in (Entry.of(layout.owned[owner].members[index], owner) for index in layout.tree.kept[owner])
    ]
    known = [(layer.name, layer.known, sorted(layer.files), layer.modules) for layer in layers]
    return key_of(
        (
            inputs.target,
            inputs.app.index,
            segments,
            [record.path for record in layout.tree.records],
            vendored,
            edited,
            known,
        ),
        (sorted(inputs.request.packaging.provided or ()), inputs.vouched),
        # Where the loader finds libraries.
        (inputs.root, inputs.layer_root),
    )


def _may_change(entry: Entry, index: str, binaries: Mapping[str, BinaryFacts]) -> bool:
    """Return whether the content of a file isn't one of the surroundings: the app's own sources, and data."""
    from cdk_lambda_package.checks import is_app

    return entry.path not in binaries and (not entry.path.endswith(".py") or is_app(entry, index))


def _is_bytecode_alone(path: str, entries: Collection[str]) -> bool:
    return path.endswith(".pyc") and path[:-1] not in entries and not is_cache(path)


def _is_script(handler: str, entries: Mapping[str, Entry]) -> bool:
    return handler in entries and not is_named_as_library(handler)


def reader_of(layout: Layout, entries: Mapping[str, Entry]) -> Callable[[str], bytes]:
    """Return a function that returns the content of a file by its path in the package.

    Example:
        `reader_of(layout, entries)("app.py")`
    """

    @cache
    def places(owner: str) -> Mapping[str, int]:
        return {member.path: index for index, member in enumerate(layout.owned[owner].members)}

    def read(path: str) -> bytes:
        owner = entries[path].owner
        return layout.owned[owner].read(places(owner)[path])

    return read


def _binaries(layout: Layout, entries: Mapping[str, Entry]) -> Mapping[str, BinaryFacts]:
    return {
        path: facts
        for owner, files in layout.owned.items()
        for path, facts in files.facts.binaries.items()
        if path in entries and entries[path].owner == owner
    }
