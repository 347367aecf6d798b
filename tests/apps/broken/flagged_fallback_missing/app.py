try:
    import orjson

    HAVE_ORJSON = True
except ImportError:
    HAVE_ORJSON = False

if not HAVE_ORJSON:
    import ujson as orjson


def handler(event, context):
    return str(orjson)
