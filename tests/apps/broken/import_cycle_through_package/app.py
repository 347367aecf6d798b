from chalicelib import find


def handler(event, context):
    return find()
