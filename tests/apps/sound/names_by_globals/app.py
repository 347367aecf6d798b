from chalicelib.statuses import NOT_FOUND, OK


def handler(event, context):
    return [OK, NOT_FOUND]
