import sortedcontainers


def handler(event, context):
    return sortedcontainers.__version__
