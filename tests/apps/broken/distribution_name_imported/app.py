import pyjwt


def handler(event, context):
    return pyjwt.__name__
