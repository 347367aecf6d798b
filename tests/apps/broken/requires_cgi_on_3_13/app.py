from webob import Request


def handler(event, context):
    return str(Request)
