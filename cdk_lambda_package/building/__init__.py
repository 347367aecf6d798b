"""Wheels that are built from sources, each once, and judged by their content."""

from cdk_lambda_package.building.builds import (
    WHEELS,
    Builder,
    Built,
    BuiltWheel,
    FailedBuild,
    PinnedSource,
    Source,
    describe_build,
    describe_origin,
    read_source,
    read_upload_time,
    source_inputs,
)
from cdk_lambda_package.building.places import DOCKER_VARIABLE
