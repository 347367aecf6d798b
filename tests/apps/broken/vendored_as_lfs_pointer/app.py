from fastsum import add


def handler(event, context):
    return add(1, 2)
