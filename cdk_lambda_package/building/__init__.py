"""Wheels that are built from sources, each once, and judged by their content."""

from cdk_lambda_package.building.builds import Builder, Built, BuiltWheel, FailedBuild, describe_build
from cdk_lambda_package.building.places import DOCKER_VARIABLE
from cdk_lambda_package.building.sources import (
    PinnedSource,
    Source,
    describe_origin,
    read_source,
    read_upload_time,
    source_inputs,
)
