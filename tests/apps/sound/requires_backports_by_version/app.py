import anyio


def handler(event, context):
    return anyio.sleep.__name__
