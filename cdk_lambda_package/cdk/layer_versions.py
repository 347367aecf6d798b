"""The CDK's layers as the checks see them: what of them this app has staged is known, what it only names isn't."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from aws_cdk import Stack, Stage
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.layers import Layer, LayerFiles, LayerSource

LayerVersions = Iterable[lambda_.ILayerVersion | LayerSource]
"""A function's layers: CDK's, or what `PackageRequest` takes."""


def read_layer_versions(layers: LayerVersions | None) -> tuple[LayerSource, ...]:
    """Return what the checks can be told of a function's layers; None are none.

    Raises `OptionError` for what is no layer.
    """
    if layers is None:
        return ()
    if isinstance(layers, str | bytes) or not isinstance(layers, Iterable):
        raise OptionError(f"layers is {layers!r}; give a list of layers, such as [layer].")
    return tuple(map(_read, layers))


def _read(layer: lambda_.ILayerVersion | LayerSource) -> LayerSource:
    if isinstance(layer, str | os.PathLike | Layer | LayerFiles):
        return layer
    if not hasattr(layer, "layer_version_arn"):
        raise OptionError(
            f"layers has {layer!r}; give layers of CDK, such as aws_lambda.LayerVersion, or a directory, a .zip file "
            "archive or an ARN."
        )
    name = layer.node.path
    path = _find_asset(layer)
    if path is not None:
        return LayerFiles(name=name, path=path)
    arn = layer.layer_version_arn
    # A token is numbered anew in each run.
    return Layer(name=name if "${Token[" in arn else arn, known=False)


def _find_asset(layer: lambda_.ILayerVersion) -> Path | None:
    """Return where CDK has staged a layer's content.

    The S3 key of an asset is its hash, and so is its name in the assembly; the metadata with its path is there only
    where the context asks for it.
    """
    resource = layer.node.default_child
    if not isinstance(resource, lambda_.CfnLayerVersion) or not Stack.of(resource).bundling_required:
        return None
    stage = Stage.of(resource)
    key = getattr(resource.content, "s3_key", None) or ""
    if stage is None or not key or "${Token[" in key:
        return None
    name = f"asset.{key.rpartition('/')[2].partition('.')[0]}"
    places = (Path(stage.asset_outdir, name), Path(stage.asset_outdir, f"{name}.zip"))
    return next((path for path in places if path.exists()), None)
