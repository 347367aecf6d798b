import redis


def handler(event, context):
    return redis.__version__
