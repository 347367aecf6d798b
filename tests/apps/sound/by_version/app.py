import sys

if sys.version_info >= (3, 9):
    import zoneinfo
else:
    from backports import zoneinfo


def handler(event, context):
    return zoneinfo.__name__
