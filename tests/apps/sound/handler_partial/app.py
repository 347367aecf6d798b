import functools
import os


def serve(name, event, context):
    return name


if os.environ.get('STAGE') == 'test':
    handler = functools.partial(serve, 'test')
else:
    handler = functools.partial(serve, 'live')
