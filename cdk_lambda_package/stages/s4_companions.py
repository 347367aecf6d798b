"""Stage 4 for functions that share the layer with their dependencies: what each of them needs of it.

A layer that is the same for all of them has what any of them needs. So with `slim`, or with the bytecode of what is reached, a
function's layer depends on the others too: on what they need, and not on the rest of their code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.options import OPTIONS, Key
from cdk_lambda_package.requirements import Resolution
from cdk_lambda_package.slimming import Needs
from cdk_lambda_package.splicing import VENDOR, Layout
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s4_archives import shared_by
from cdk_lambda_package.stages.s4_slim import needs_of_function
from cdk_lambda_package.stages.s5_checks import read_own_contents
from cdk_lambda_package.store import Store, remembered

_NOTHING = Needs.union()


@remembered("layer-needs", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class LayerNeeds:
    """What a function needs of a shared layer: the modules that it reaches there, by path, and what `slim` mustn't leave out."""

    reached: tuple[str, ...] = ()
    needs: Needs = _NOTHING


def layer_key(inputs: Inputs, resolution: Resolution) -> str | None:
    """Return what two functions have in common if they share a layer whose content depends on both; None if it doesn't.

    Example:
        `layer_key(inputs, resolution) == layer_key(others, others_resolution)`
    """
    packaging = inputs.request.packaging
    slim, chalice = packaging.value("slim"), packaging.value("chalice")
    reached = inputs.compiler is not None and packaging.value("bytecode_scope") == "reached"
    is_chalice = any(wheel.name == "chalice" for wheel in resolution.wheels)
    # Commands see the whole package, and may do anything with it.
    if not inputs.layer_root or packaging.after_packaging or not (slim or reached or is_chalice):
        return None
    vendored = [(file.path, file.digest) for file in inputs.app.files if file.origin.value == VENDOR]
    options = [packaging.value(name) for name, one in OPTIONS.items() if one.key is Key.PACKAGE]
    compiled = (inputs.compiler, packaging.value("bytecode_scope"))
    return key_of(
        inputs.target, resolution.wheels, vendored, options, compiled, chalice, packaging.exclude_distributions
    )


@during("finding what functions need of their layer")
def needs_of_layer(inputs: Inputs, lay_out: Callable[[], Layout], store: Store) -> LayerNeeds:
    """Return what a function needs of its layer; remembered. `lay_out` returns the whole package's layout.

    Example:
        `needs_of_layer(inputs, lambda: layout, store).reached`
    """
    known = store.recall(LayerNeeds, inputs.key)
    if known is None:
        known = _read(inputs, lay_out(), store)
        store.remember(known, inputs.key)
    return known


def _read(inputs: Inputs, layout: Layout, store: Store) -> LayerNeeds:
    is_shared = shared_by(inputs, layout.tree.entries)
    shared = {entry.path for entry in layout.tree.entries if is_shared(entry)}
    reached: set[str] = set()
    if inputs.compiler is not None and not inputs.compiles_all:
        contents = read_own_contents(inputs, layout, store)
        reached = shared & (contents.reach.certain | contents.reach.perhaps)
        contents.imports.save()
    needs = needs_of_function(inputs, layout, store) if inputs.request.packaging.value("slim") else _NOTHING
    return LayerNeeds(reached=tuple(sorted(reached)), needs=needs._replace(modules=needs.modules & shared))


def with_companions(inputs: Inputs, companions: Iterable[LayerNeeds]) -> Inputs:
    """Return the inputs of a package whose layer has what `companions` need too.

    Example:
        `with_companions(inputs, [needs]).companions_key`
    """
    distinct = {key_of(one): one for one in companions}
    if not distinct:
        return inputs
    return dataclasses.replace(inputs, companions=tuple(distinct.values()), companions_key=key_of(sorted(distinct)))
