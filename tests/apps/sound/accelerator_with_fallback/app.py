try:
    import ujson as json
except ImportError:
    try:
        import rapidjson as json
    except ImportError:
        import json


def handler(event, context):
    return json.__name__
