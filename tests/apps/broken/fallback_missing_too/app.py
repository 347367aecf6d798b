try:
    import ujson as json
except ImportError:
    import rapidjson as json


def handler(event, context):
    return json.dumps(event)
