from chalicelib.api.orders import find


def handler(event, context):
    return find()
