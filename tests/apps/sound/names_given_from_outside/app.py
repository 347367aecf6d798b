import chalicelib.start
from chalicelib.registry import codec, debug, table


def handler(event, context):
    return [chalicelib.start.__name__, codec, debug, table]
