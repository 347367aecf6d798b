import boto3
import orjson


def handler(event, context):
    return orjson.dumps(boto3.__version__)
