import urllib.request


def handler(event, context):
    return urllib.request.__name__
