from chalicelib.stage import Stage


def handler(event, context):
    return Stage().name()
