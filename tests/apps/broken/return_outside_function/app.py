import os

DEBUG = os.environ.get('DEBUG')

# Nothing to do.
if DEBUG:
    return


def handler(event, context):
    return {}
