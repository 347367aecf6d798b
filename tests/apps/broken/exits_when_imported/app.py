import sys

if not sys.argv[9:]:
    sys.exit(3)


def handler(event, context):
    return {}
