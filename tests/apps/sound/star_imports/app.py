from chalicelib.api import helper, public


def handler(event, context):
    return [public(), helper()]
