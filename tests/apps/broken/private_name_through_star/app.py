from chalicelib.api import _cache


def handler(event, context):
    return _cache
