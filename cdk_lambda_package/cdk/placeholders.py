"""Code that stands for packages until they are made: CDK wants to know the location when a function is defined.

No template that is deployed ever has it. Code of CDK's own costs no function anything: for code that is implemented here, CDK would
call this process twice for each.
"""

from __future__ import annotations

import tempfile
from functools import cache

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

_NAME = "not-packaged-yet"
_KEY = f"{_NAME}.zip"
_COMMENT = "# This stack isn't bundled in this run of the CDK CLI, so its code was not packaged."


@cache
def placeholder() -> lambda_.Code:
    """Return code at a location that doesn't exist, for any function."""
    # A bucket belongs to a stack, and that to an app. This app is never synthesized, so nothing is written.
    scratch = Stack(App(outdir=tempfile.gettempdir(), auto_synth=False), "Placeholder")
    return lambda_.Code.from_bucket(s3.Bucket.from_bucket_name(scratch, "Bucket", _NAME), _KEY)


@cache
def inline_placeholder() -> lambda_.Code:
    """Return inline code, for a function of a stack that isn't bundled."""
    return lambda_.Code.from_inline(_COMMENT)


def placeholder_config() -> lambda_.CodeConfig:
    """Return the location that doesn't exist, as code that CDK binds returns it."""
    return lambda_.CodeConfig(s3_location=s3.Location(bucket_name=_NAME, object_key=_KEY))
