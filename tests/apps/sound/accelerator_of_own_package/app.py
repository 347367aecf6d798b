import fastsum


def handler(event, context):
    return fastsum.total([1, 2])
