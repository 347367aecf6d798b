"""The logical ids of layer versions: which functions' versions follow them, and which stacks export them."""

from __future__ import annotations

import hashlib
from typing import Any

from aws_cdk import CfnOutput, FeatureFlags, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from cdk_lambda_package.cdk.callbacks import FROM_CDK

_BASE_ID = "_cdk_lambda_package_logical_id"
_IN_VERSIONS = "@aws-cdk/aws-lambda:recognizeLayerVersion"
_NOT_IN_VERSIONS = (
    "The logical id of {layer} is fixed ({why}), so a function's current_version doesn't change with the content of this layer. Set the "
    "feature flag {flag} to true in the context of cdk.json."
)
_EXPORTED = (
    "Another stack uses {layer}, so that its version is exported. CloudFormation doesn't replace an export that is in use: the next "
    "deployment with another content of the layer fails. Make a layer in each stack: all have the same asset, which is uploaded once. Or "
    "use packaging=Packaging(dependencies='layer'), which makes a layer for each stack."
)


def name_by_content(resource: lambda_.CfnLayerVersion, stack: Stack, digest: str) -> str:
    """Put a digest into a layer's logical id: a function's version depends on the ids of its layers, and not on their content.

    Only with a feature flag would it depend on that. An id of the user's own stays, as does one that was exported by hand; return what
    to warn of then.

    Example:
        `name_by_content(resource, stack, package.content_digest)` is "" if the id has the digest.
    """
    known = vars(resource)
    # The id of a former synthesis has a digest already.
    base = known.setdefault(_BASE_ID, stack.resolve(resource.logical_id))
    why = "you chose it" if base != stack.get_logical_id(resource) else ""
    if not why:
        try:
            resource.override_logical_id(f"{base[:200]}{hashlib.sha256(digest.encode()).hexdigest()[:16]}")
        except FROM_CDK:
            why = "Stack.export_value exports it"
    if not why or FeatureFlags.of(resource).is_enabled(_IN_VERSIONS):
        return ""
    return _NOT_IN_VERSIONS.format(layer=_name_of(resource), why=why, flag=_IN_VERSIONS)


def describe_export(resource: lambda_.CfnLayerVersion, stack: Stack) -> str:
    """Return what to warn of if another stack uses a layer: CloudFormation can't replace it while it is in use. "" if none does.

    It is known as soon as CDK has resolved references: to nested stacks, they are parameters.

    Example:
        `describe_export(resource, stack)`
    """
    is_exported = _is_exported(stack, {"Ref": stack.resolve(resource.logical_id)})
    return _EXPORTED.format(layer=_name_of(resource)) if is_exported else ""


def _name_of(resource: lambda_.CfnLayerVersion) -> str:
    return resource.node.path.removesuffix("/Resource")


def _is_exported(stack: Stack, value: object) -> bool:
    """Return whether a stack exports a value of its template to other stacks, itself or through the stack that it is nested in."""
    if (exports := stack.node.try_find_child("Exports")) is not None and _outputs_of(exports, stack, value):
        return True
    nested: Any = stack.nested_stack_resource
    if nested is None:
        return False
    parent = Stack.of(nested)
    name = parent.resolve(nested.logical_id)
    return any(
        _is_exported(parent, {"Fn::GetAtt": [name, f"Outputs.{output}"]}) for output in _outputs_of(stack, stack, value)
    )


def _outputs_of(scope: IConstruct, stack: Stack, value: object) -> list[str]:
    """Return the logical ids of the outputs in a scope that have a value."""
    outputs = [output for output in scope.node.children if isinstance(output, CfnOutput)]
    told = stack.resolve([[output.logical_id, output.value] for output in outputs])
    return [name for name, one in told if one == value]
