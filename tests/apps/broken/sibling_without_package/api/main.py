from responses_ import ok


def handler(event, context):
    return ok()
