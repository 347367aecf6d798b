from chalicelib.api import total


def handler(event, context):
    return total([1])
