"""Stage 4 with `slim`: what of a layout the function doesn't need; and what a function needs of a layer that others share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.splicing import OWN, Decision, Layout
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import shared_by
from cdk_lambda_package.stages.s5_checks import read_own_contents, reader_of, reading_modules
from cdk_lambda_package.store import Store, remembered

if TYPE_CHECKING:
    from cdk_lambda_package.slimming import Distribution, LayerNeeds, Needs


@remembered("slim", version=3)
@dataclass(frozen=True, kw_only=True, slots=True)
class Unneeded:
    """The paths of a package's files that aren't needed, each with the kind of the decision about it, and the decisions."""

    rules: dict[str, str]
    decisions: tuple[Decision, ...]


def find_unneeded(inputs: Inputs, layout: Layout, store: Store, progress: Progress) -> Unneeded:
    """Return what of a package its function doesn't need; remembered.

    Example:
        `find_unneeded(inputs, layout, store, progress).rules`
    """
    known = store.recall(Unneeded, inputs.key)
    if known is None:
        with progress.step("finding what the function doesn't need"):
            known = _find(inputs, layout, store)
        store.remember(known, inputs.key)
    return known


@during("finding what the function doesn't need")
def _find(inputs: Inputs, layout: Layout, store: Store) -> Unneeded:
    # Imported here: most packages are whole.
    from cdk_lambda_package.slimming import Needs, omissions

    with reading_modules(layout, store):
        distributions, needs = _read(inputs, layout, store)
    found = omissions(distributions, Needs.union(needs, *(one.needs for one in inputs.companions)))
    return Unneeded(rules=dict(sorted(found.rules.items())), decisions=found.decisions)


@during("finding what functions need of their layer")
def needs_of_layer(inputs: Inputs, lay_out: Callable[[], Layout], store: Store) -> LayerNeeds:
    """Return what a function needs of its layer; remembered. `lay_out` returns the whole package's layout.

    Example:
        `needs_of_layer(inputs, lambda: layout, store).reached`
    """
    # Imported here: few functions share a layer whose content depends on all of them.
    from cdk_lambda_package.slimming import LayerNeeds

    known = store.recall(LayerNeeds, inputs.key)
    if known is None:
        known = _read_layer_needs(inputs, lay_out(), store)
        store.remember(known, inputs.key)
    return known


def _read_layer_needs(inputs: Inputs, layout: Layout, store: Store) -> LayerNeeds:
    from cdk_lambda_package.slimming import LayerNeeds, Needs

    is_shared = shared_by(inputs, layout)
    shared = {entry.path for entry in layout.tree.entries if is_shared(entry)}
    reached, imported = set[str](), set[str]()
    with reading_modules(layout, store):
        if inputs.compiler is not None and not inputs.compiles_all:
            contents = read_own_contents(inputs, layout, store)
            reach = contents.reach
            reached, imported = shared & reach.all, shared & (reach.certain | reach.perhaps)
            contents.imports.save()
        needs = _read(inputs, layout, store)[1] if inputs.request.packaging.value("slim") else Needs.union()
    return LayerNeeds(
        reached=tuple(sorted(reached)),
        imported=tuple(sorted(imported)),
        needs=needs._replace(modules=needs.modules & shared),
    )


def _read(inputs: Inputs, layout: Layout, store: Store) -> tuple[Mapping[str, Distribution], Needs]:
    from cdk_lambda_package.slimming import Distribution, Needs, Uses, needs_of, read_uses

    contents = read_own_contents(inputs, layout, store)
    reach = contents.reach
    read = reader_of(layout, contents.entries)
    context = key_of(inputs.target.runtime.version, installed_versions("tree_sitter", "tree_sitter_python"))
    paths: dict[str, list[str]] = {owner: [] for owner in layout.owned}
    for path, entry in contents.entries.items():
        paths[entry.owner].append(path)

    def uses_of(owner: str) -> Uses:
        # The members that clash with others', and those that patterns leave out, aren't there.
        files = layout.owned[owner]
        key = key_of(context, None if len(paths[owner]) == len(files.members) else paths[owner])
        known = store.recall(Uses, key, beside=files.key)
        if known is None:
            known = read_uses(paths[owner], read, contents.imports.imported_by)
            store.remember(known, key, beside=files.key)
        return known

    uses = {owner: uses_of(owner) for owner in paths}
    contents.imports.save()
    is_own = {owner: owner in OWN or owner in inputs.projects for owner in paths}
    distributions = {owner: Distribution(tuple(paths[owner]), uses[owner]) for owner in paths if not is_own[owner]}
    # A layer's modules may import any of the package's, and a function any of its layer's.
    unknown_users = inputs.request.layers or inputs.root
    modules = frozenset(contents.entries) if unknown_users else reach.all | reach.loads
    needs = needs_of(
        modules,
        [uses[owner] for owner in paths if is_own[owner]],
        [one.uses for one in distributions.values()],
    )
    unknown = _unknown_start(inputs, contents.scripts)
    layers = inputs.layer_services
    around = Needs(frozenset(), frozenset(), frozenset(), frozenset(layers.services), unknown or layers.any_service)
    return distributions, Needs.union(needs, around)


def _unknown_start(inputs: Inputs, scripts: Iterable[str]) -> str:
    """Return why the modules that Lambda starts aren't known, "" if they are."""
    if inputs.root:
        return "the functions that use the layer aren't known"
    if script := min(scripts, default=""):
        return f"{script} may start any module"
    return "" if inputs.app.index else "the package has no module of a handler"
