"""Functions that CloudFront runs (Lambda@Edge). CDK looks at their variables only, and Lambda@Edge accepts no layers either.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-at-edge-function-restrictions.html
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aws_cdk import CfnResource, Stage
from aws_cdk import aws_lambda as lambda_

from cdk_lambda_package.cdk.layers import find_references

if TYPE_CHECKING:
    from aws_cdk.aws_cloudfront import CfnDistribution

_CLOUDFRONT = "aws_cdk.aws_cloudfront"


def edge_functions(stage: Stage) -> dict[str, str]:
    """Return the paths of the function resources of a Stage that CloudFront runs, each with the path of its distribution.

    It is asked before CDK resolves references to other stacks: each still leads to the version that a distribution names.

    Example:
        `edge_functions(stage)["Site/Redirect/Resource"]` is "Site/Distribution".
    """
    # Who names an edge function has imported the module. All constructs are looked at, which takes time.
    if _CLOUDFRONT not in sys.modules:
        return {}
    return {
        function.node.path: resource.node.path.removesuffix("/Resource")
        for resource in _distributions(stage)
        for version in find_references(_behaviors(resource), resource.stack)
        if isinstance(version, lambda_.CfnVersion)
        for function in find_references(version.function_name, version.stack)
        if isinstance(function, CfnResource)
    }


def _distributions(stage: Stage) -> Iterator[CfnDistribution]:
    from aws_cdk.aws_cloudfront import CfnDistribution

    return (one for one in stage.node.find_all() if isinstance(one, CfnDistribution))


def _behaviors(resource: CfnDistribution) -> Any:
    """Return the part of a distribution's properties that names functions."""
    # Not `resource.distribution_config`: jsii can't pass on a struct that has lazy lists.
    config = resource._cfn_properties.get("distributionConfig")  # noqa: SLF001 - protected, and the only way
    if not isinstance(config, Mapping):
        return config
    return [config.get("defaultCacheBehavior"), config.get("cacheBehaviors")]
