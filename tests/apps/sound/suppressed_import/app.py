import contextlib

tracer = None
with contextlib.suppress(ImportError):
    from aws_xray_sdk.core import xray_recorder as tracer


def handler(event, context):
    return tracer is None
