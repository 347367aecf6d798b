try:
    from rapidjson import JSONDecodeError
except (ImportError, AttributeError):
    from json import JSONDecodeError


def handler(event, context):
    return JSONDecodeError.__name__
