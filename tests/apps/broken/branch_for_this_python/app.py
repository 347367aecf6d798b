import sys

if sys.version_info >= (3, 8):
    import orjson as json
else:
    import json


def handler(event, context):
    return str(json.dumps(event))
