from services.orders import find


def handler(event, context):
    return find(event)
