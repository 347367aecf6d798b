import json

try:
    import orjson
except ImportError:
    orjson = None


def handler(event, context):
    return orjson.dumps(event).decode() if orjson else json.dumps(event)
