import certifi


def handler(event, context):
    return certifi.where()
