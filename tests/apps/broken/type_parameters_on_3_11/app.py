from chalicelib.lists import first


def handler(event, context):
    return first([1])
