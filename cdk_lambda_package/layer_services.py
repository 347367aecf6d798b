"""The AWS services for which the modules of layers make clients: what `slim` has to keep for them.

A layer may do without an AWS SDK of its own, and use that of the package.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cdk_lambda_package.keys import installed_versions, key_of
from cdk_lambda_package.layers import LayerSource, module_reader, read_layers, stamp_layers
from cdk_lambda_package.store import Store, remembered


@remembered("layer-services", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class LayerServices:
    """The AWS services for which modules of layers make clients; `any_service` says why it may be any, "" if it may not."""

    services: tuple[str, ...] = ()
    any_service: str = ""


def services_of_layers(layers: Iterable[LayerSource], store: Store) -> LayerServices:
    """Return the services that layers need of the package's SDK: what any of their modules names; remembered.

    Raises `OptionError` as `read_layers` does.
    """
    layers = tuple(layers)
    if not layers:
        return LayerServices()
    key = key_of("layer services", stamp_layers(layers), installed_versions("tree_sitter", "tree_sitter_python"))
    known = store.recall(LayerServices, key)
    if known is None:
        known = _read_layers(layers)
        store.remember(known, key)
    return known


def _read_layers(layers: Iterable[LayerSource]) -> LayerServices:
    # Imported here, with a parser: few functions have layers and ask for it.
    from cdk_lambda_package.slimming import client_calls

    services: set[str] = set()
    reasons: set[str] = set()
    for layer in read_layers(layers):
        if not layer.known:
            # Not its name, which may be a path of this machine.
            reasons.add("the files of a layer are unknown")
            continue
        read = module_reader(layer) if layer.modules else None
        for path in layer.modules:
            below = path.removeprefix("python/").rpartition("site-packages/")[2]
            for call in client_calls(below, read(path)) if read is not None else ():
                if call.text is None:
                    reasons.add(f"/opt/{path}:{call.line} makes a client whose service isn't a literal")
                else:
                    services.add(call.text)
    return LayerServices(services=tuple(sorted(services)), any_service=min(reasons, default=""))
