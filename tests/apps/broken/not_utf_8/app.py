from chalicelib.texts import GREETING


def handler(event, context):
    return GREETING
