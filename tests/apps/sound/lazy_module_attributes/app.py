from chalicelib import orders


def handler(event, context):
    return orders.find()
