import bottle


def handler(event, context):
    return bottle.__version__
