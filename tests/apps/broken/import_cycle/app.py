from chalicelib.orders import find


def handler(event, context):
    return find()
