from internalpackage import connect


def handler(event, context):
    return connect()
