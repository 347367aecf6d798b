from __future__ import annotations

import typing as t
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
if t.TYPE_CHECKING:
    from aws_lambda_typing import events


def handler(event: events.SQSEvent, context, client: S3Client | None = None):
    return {}
