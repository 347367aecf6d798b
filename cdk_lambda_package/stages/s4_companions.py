"""Stage 4 for functions that share the layer with their dependencies: which of them do, and the inputs of a package with the needs of all.

A layer that is the same for all of them has what any of them needs. So with `slim`, or with the bytecode of what is reached, a
function's layer depends on the others too: on what they need, and not on the rest of their code.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_lambda_package.keys import key_of
from cdk_lambda_package.options import OPTIONS, Key
from cdk_lambda_package.requirements import Resolution
from cdk_lambda_package.stages.s3_inputs import Inputs

if TYPE_CHECKING:
    from cdk_lambda_package.slimming import LayerNeeds


@dataclass(frozen=True, kw_only=True, slots=True)
class SharingFunction:
    """A function that may share a layer with others of its `group`, such as a stack."""

    group: str
    inputs: Inputs
    resolution: Resolution


def share(
    functions: Sequence[SharingFunction | None], find_needs: Callable[[Sequence[Inputs]], Sequence[LayerNeeds | None]]
) -> list[Sharing | None]:
    """Return what the functions need of each one's layer, None where its content doesn't depend on them.

    `find_needs` returns the needs of packages, None of those that have an error.

    Example:
        `share(functions, lambda inputs: [needs_of_layer(one, lay_out, store) for one in inputs])`
    """
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(functions):
        if one is not None and (key := layer_key(one.inputs, one.resolution)) is not None:
            groups[one.group, key].append(number)
    members = {number: one.inputs for numbers in groups.values() for number in numbers if (one := functions[number])}
    needs = dict(zip(members, find_needs(list(members.values())), strict=True))
    found: list[Sharing | None] = [None] * len(functions)
    for numbers in groups.values():
        known = [need for number in numbers if (need := needs[number]) is not None]
        sharing = Sharing.of(known, chalice=any(members[number].app.imports_chalice for number in numbers))
        for number in numbers:
            found[number] = sharing
    return found


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
    options = [packaging.value(name) for name, one in OPTIONS.items() if one.key is Key.PACKAGE]
    compiled = (inputs.compiler, packaging.value("bytecode_scope"))
    return key_of(
        inputs.target,
        resolution.wheels,
        inputs.app.vendored.digest,
        options,
        compiled,
        chalice,
        packaging.exclude_distributions,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """What the functions need that share a layer, equal needs once, with the key of all; and whether one of them imports chalice."""

    companions: tuple[LayerNeeds, ...] = ()
    key: str = ""
    chalice: bool = False

    @classmethod
    def of(cls, needs: Iterable[LayerNeeds], *, chalice: bool) -> Sharing:
        """Return what functions with these needs share.

        Example:
            `Sharing.of([orders, invoices], chalice=False).key`
        """
        distinct = {key_of(one): one for one in needs}
        return cls(companions=tuple(distinct.values()), key=key_of(sorted(distinct)), chalice=chalice)


def with_companions(inputs: Inputs, sharing: Sharing) -> Inputs:
    """Return the inputs of a package whose layer has what other functions need too.

    Example:
        `with_companions(inputs, Sharing.of([needs], chalice=False)).companions_key`
    """
    return dataclasses.replace(inputs, companions=sharing.companions, companions_key=sharing.key)
