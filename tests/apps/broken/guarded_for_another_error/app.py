try:
    import orjson
except ValueError:
    orjson = None


def handler(event, context):
    return str(orjson)
