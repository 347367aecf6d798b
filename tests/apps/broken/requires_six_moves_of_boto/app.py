import boto


def handler(event, context):
    return boto.Version
