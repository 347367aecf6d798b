"""Layers: what of a function's layers is known before it is deployed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer of the function: `files` has the sizes in bytes by path below /opt.

    `known` is False for one that is only named by its ARN: nobody can see into it here.
    """

    name: str
    known: bool
    files: Mapping[str, int] = field(default_factory=dict)


def read_layers(layers: Iterable[str | os.PathLike[str]]) -> tuple[Layer, ...]:
    """Return what is in each layer: a directory or a .zip file archive as it will be below /opt, or an ARN.

    Raises `OptionError` for what is none of these.
    """
    return tuple(Layer(name=os.fspath(layer), known=False) for layer in layers)
