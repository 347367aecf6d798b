"""Code that stands for packages until they are made: CDK wants to know the location when a function is defined.

No template that is deployed ever has it. Code of CDK's own costs no function anything: for code that is implemented here, CDK would
call this process twice for each.
"""

from __future__ import annotations

from functools import cache

from aws_cdk import CfnParameter, Stack
from aws_cdk import aws_lambda as lambda_

_NAME = "not-packaged-yet"
_PARAMETERS = ("NotPackagedYetBucket", "NotPackagedYetKey")
_COMMENT = "# This stack isn't bundled in this run of the CDK CLI, so its code was not packaged."


def placeholder(stack: Stack) -> lambda_.Code:
    """Return code for the functions of a stack, at the location that parameters name which the stack doesn't have.

    CloudFormation refuses a template with it.
    """
    # Not a bucket with a name: CDK's module of S3 takes 6 MB of memory.
    bucket, key = (CfnParameter(stack, name) for name in _PARAMETERS)
    for name in _PARAMETERS:
        stack.node.try_remove_child(name)
    return lambda_.Code.from_cfn_parameters(bucket_name_param=bucket, object_key_param=key)


@cache
def inline_placeholder() -> lambda_.Code:
    """Return inline code, for a function of a stack that isn't bundled."""
    return lambda_.Code.from_inline(_COMMENT)


def placeholder_config() -> lambda_.CodeConfig:
    """Return a location that doesn't exist, as code that CDK binds returns it."""
    # Imported here: only code of other constructs needs it.
    from aws_cdk import aws_s3 as s3

    return lambda_.CodeConfig(s3_location=s3.Location(bucket_name=_NAME, object_key=f"{_NAME}.zip"))
