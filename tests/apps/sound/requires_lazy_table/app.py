from websockets import connect, serve


def handler(event, context):
    return [connect.__name__, serve.__name__]
