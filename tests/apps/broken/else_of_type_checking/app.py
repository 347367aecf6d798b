from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    from mypy_boto3_s3.client import S3Client


def handler(event, context):
    return str(S3Client)
