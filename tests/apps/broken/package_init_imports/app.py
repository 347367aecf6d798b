import chalicelib.utils


def handler(event, context):
    return chalicelib.utils.hi()
