"""The layers of a function as the checks see them: the content of those that this app stages, the names of others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aws_cdk import DefaultTokenResolver, Reference, Stack, Stage, StringConcat, Token, Tokenization
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.layers import Layer, LayerFiles, LayerSource, is_layer_source

LayerContent = Callable[[lambda_.CfnLayerVersion], Path | None]
"""Returns where the content of a layer is that this library makes; None for any other layer."""

LayerVersions = Iterable[lambda_.ILayerVersion | LayerSource]
"""Layers of CDK, or the layers that `PackageRequest` accepts."""


def check_layers(layers: LayerVersions | None) -> tuple[lambda_.ILayerVersion | LayerSource, ...]:
    """Return the layers that a construct was given; None means none.

    Raises `OptionError` for values that aren't layers.
    """
    if layers is None:
        return ()
    listed = hasattr(layers, "__iter__") and not isinstance(layers, str | bytes)
    given = tuple(layers) if listed else ()
    if not listed or not all(is_layer_source(layer) or hasattr(layer, "layer_version_arn") for layer in given):
        raise OptionError(
            f"layers is {layers!r}; give a list of CDK's layers, such as aws_lambda.LayerVersion, of directories, .zip "
            "file archives or ARNs."
        )
    return given


def read_given_layer(layer: lambda_.ILayerVersion | LayerSource, made: LayerContent = lambda _: None) -> LayerSource:
    """Return what the checks can know of a layer that a construct was given; see `LayerContent` for `made`."""
    if isinstance(layer, str | os.PathLike | Layer | LayerFiles):
        return layer
    arn = layer.layer_version_arn
    # A token has another number in each run.
    return _read_resource(layer.node.default_child, layer.node.path if "${Token[" in arn else arn, made)


def read_layers_of(
    value: Any, resolved: Iterable[object], stack: Stack, made: LayerContent = lambda _: None
) -> tuple[LayerSource, ...]:
    """Return what the checks can know of the layers in a resource's property, and `resolved`, its value in the template."""
    references = _find_references(value, stack)
    targets = ((next((token.target for token, value in references if value == one), None), one) for one in resolved)
    return tuple(_read_resource(target, _as_text(layer), made) for target, layer in targets)


def as_tokens(value: Any, resolved: Iterable[object], stack: Stack) -> list[str]:
    """Return the elements of a resource's list, given as a token and as its value in the template, to be a part of another list.

    References stay references, to other stacks too.
    """
    references = _find_references(value, stack)
    elements = (_with_references(one, references) for one in resolved)
    return [one if isinstance(one, str) else Token.as_string(one) for one in elements]


def _with_references(value: Any, references: Iterable[tuple[Any, object]]) -> Any:
    token = next((token for token, found in references if found == value), None)
    match value:
        case _ if token is not None:
            return Token.as_string(token)
        case list():
            return [_with_references(one, references) for one in value]
        case dict():
            return {name: _with_references(one, references) for name, one in value.items()}
    return value


def find_references(value: Any, stack: Stack) -> list[object]:
    """Return the constructs that the references in a resource's property lead to, of other stacks too.

    Example:
        `find_references(version.function_name, stack)` has the function's resource.
    """
    return [token.target for token, _ in _find_references(value, stack)]


def _find_references(value: Any, stack: Stack) -> list[tuple[Any, object]]:
    """Return the references, each with its value in the template."""
    finder = _ReferenceFinder()
    Tokenization.resolve(value, scope=stack, resolver=finder, preparing=True)
    return finder.found


class _ReferenceFinder(DefaultTokenResolver):
    """Resolves tokens as CDK does, and notes references."""

    def __init__(self) -> None:
        super().__init__(StringConcat())
        self.found: list[tuple[Any, object]] = []

    def resolve_token(self, t: Any, context: Any, post_processor: Any) -> Any:
        """Resolve a token; CDK calls this."""
        value = super().resolve_token(t, context, post_processor)
        if Reference.is_reference(t):
            self.found.append((t, value))
        return value


def _read_resource(resource: object, name: str, made: LayerContent) -> LayerSource:
    """Return what is known of a layer: of its resource if it is one of this app, else the name."""
    if not isinstance(resource, lambda_.CfnLayerVersion):
        return Layer(name=name, known=False)
    # The layer, which a reader of messages knows, and not the resource in it.
    name = resource.node.path.removesuffix("/Resource")
    path = made(resource) or _staged_content(resource)
    return LayerFiles(name=name, path=path) if path is not None else Layer(name=name, known=False)


def _staged_content(resource: lambda_.CfnLayerVersion) -> Path | None:
    """Return where CDK has staged a layer's content, None if the layer isn't an asset of this app.

    An asset is staged in a stack that isn't bundled too, unless a bundling would make it.
    The S3 key of an asset is its hash, and so is its name in the assembly; the metadata with its path exists only if the
    context asks for it.
    """
    stage = Stage.of(resource)
    key = getattr(resource.content, "s3_key", None) or ""
    if stage is None or not key or "${Token[" in key:
        return None
    name = f"asset.{key.rpartition('/')[2].partition('.')[0]}"
    places = (Path(stage.asset_outdir, name), Path(stage.asset_outdir, f"{name}.zip"))
    return next((path for path in places if path.exists()), None)


def _as_text(value: object) -> str:
    """Return an ARN with intrinsic functions as `Fn::Sub` would have it."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::Join": ["", list(parts)]}:
            return "".join(map(_as_text, parts))
    return json.dumps(value)
