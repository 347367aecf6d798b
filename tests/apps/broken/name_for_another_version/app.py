from chalicelib.compat import lookup


def handler(event, context):
    return lookup({}, 'x')
