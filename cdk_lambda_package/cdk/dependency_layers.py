"""The layers of a stack with the dependencies of its functions, and functions that have one among their layers.

A layer is made while CDK prepares the app: aspects don't visit it, and they may have replaced the list that it has to be in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import CfnResource, RemovalPolicy, Stack, Stage
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.cdk.assets import StackAsset
from cdk_lambda_package.cdk.callbacks import FROM_CDK
from cdk_lambda_package.cdk.edge import edge_functions
from cdk_lambda_package.cdk.layers import as_tokens
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.splicing import ContentDigest

_NAME = "PythonDependencies"
_POLICIES = {"destroy": RemovalPolicy.DESTROY, "retain": RemovalPolicy.RETAIN}
_MISSING = (
    "the function's layers were replaced, so the layer with its dependencies isn't among them. Add to the list with "
    "function.add_layers(…), or write packaging=Packaging(dependencies='package')."
)
_AT_EDGE = (
    "dependencies is 'layer', and the distribution {distribution} runs this function at the edge. Lambda@Edge accepts no function with "
    "layers. Write packaging=Packaging(dependencies='package')."
)
_OTHER_LAYER = (
    "the app was synthesized before with other dependencies, and the layer of them can't be taken back. Make a new App for each "
    "synthesis."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class StackLayers:
    """The layers of a stack, one of each content; `asset_of` returns the stack's asset of an archive.

    They belong to the stack: another stack that imported one would block its next version.
    """

    stack: Stack
    asset_of: Callable[..., StackAsset]
    with_metadata: bool
    _made: dict[str, lambda_.LayerVersion] = field(default_factory=dict)

    def of(self, archive: str, digest: ContentDigest, *, title: str, policy: str) -> lambda_.LayerVersion:
        """Return the layer with this archive and content; `policy` is a value of `layer_removal_policy`.

        Its id has the content's digest, so that the version of a function changes with its layer, whatever feature flags the app has.
        """
        name = f"{_NAME}{'Retained' if policy == 'retain' else ''}{digest[:32]}"
        if name not in self._made:
            asset = self.asset_of(archive, name=title, asset_hash=digest)
            made = lambda_.LayerVersion(
                self.stack,
                name,
                code=lambda_.Code.from_bucket(asset.asset.bucket, asset.key),
                # Not for which target: functions of several may have the same content.
                description="Python dependencies",
                removal_policy=_POLICIES[policy],
            )
            resource = made.node.default_child
            if self.with_metadata and isinstance(resource, CfnResource):
                asset.asset.add_resource_metadata(resource, "Content")
            self._made[name] = made
        return self._made[name]


@dataclass(kw_only=True, eq=False)
class LayeredFunction:
    """A function whose layers have one with its dependencies, once it is known."""

    function: lambda_.Function
    resource: lambda_.CfnFunction
    stack: Stack
    layer: lambda_.LayerVersion | None = None

    def give(self, layer: lambda_.LayerVersion | None) -> None:
        """Add the layer to the function's layers. Raises `OptionError` if it got another one before."""
        if layer is self.layer:
            return
        if self.layer is not None or layer is None:
            raise OptionError(_OTHER_LAYER)
        self.layer = layer
        # CDK counts the layers that the function was given. An aspect may have replaced them, and `find_faults` counts these.
        with suppress(*FROM_CDK):
            self.function.add_layers(layer)

    def assign(self, resolved: object) -> None:
        """Assign the function's layers with this one at the end; `resolved` is their value in the template.

        It is for a list that `add_layers` doesn't add to: one that an aspect assigned, or that CDK remembers since it was resolved
        (aws-cdk-lib 2.180 does).
        """
        if self.layer is not None and (resolved is None or isinstance(resolved, list)):
            given = as_tokens(self.resource.layers, resolved or (), self.stack)
            self.resource.layers = [*given, self.layer.layer_version_arn]

    def is_complete(self, resolved: object) -> bool:
        """Return whether the layer is among the function's layers, which are resolved."""
        resource = self.layer.node.default_child if self.layer is not None else None
        wanted = {"Ref": self.stack.get_logical_id(resource)} if isinstance(resource, CfnResource) else None
        return isinstance(resolved, list) and wanted in resolved


def find_faults(functions: Collection[LayeredFunction], stage: Stage) -> Iterator[tuple[LayeredFunction, OptionError]]:
    """See to it that the finished layers of functions have the one with their dependencies; yield an error for those that can't.

    Example:
        `dict(find_faults(functions, Stage.of(recorder)))`
    """
    for one, resolved in _incomplete(functions):
        one.assign(resolved)
    yield from ((one, OptionError(_MISSING)) for one, _ in _incomplete(functions))
    if functions and (edge := edge_functions(stage)):
        for one in functions:
            if (path := one.resource.node.path) in edge:
                yield one, OptionError(_AT_EDGE.format(distribution=edge[path]))


def _incomplete(functions: Collection[LayeredFunction]) -> list[tuple[LayeredFunction, object]]:
    """Return the functions that lack their layer, with the layers that they have. A stack's are resolved by one call."""
    stacks: dict[Stack, dict[str, LayeredFunction]] = {}
    for number, one in enumerate(functions):
        stacks.setdefault(one.stack, {})[str(number)] = one
    found: list[tuple[LayeredFunction, object]] = []
    for stack, given in stacks.items():
        resolved: Any = stack.resolve({position: {"layers": one.resource.layers} for position, one in given.items()})
        for position, one in given.items():
            layers = resolved.get(position, {}).get("layers")
            if not one.is_complete(layers):
                found.append((one, layers))
    return found
