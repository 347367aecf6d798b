import internalpackage


def handler(event, context):
    return internalpackage.fetch()
