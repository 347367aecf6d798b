import sys

if sys.platform == 'win32':
    loop = None
else:
    import uvloop as loop


def handler(event, context):
    return str(loop)
