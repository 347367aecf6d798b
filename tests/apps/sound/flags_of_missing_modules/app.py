import platform
from importlib.util import find_spec

from chalicelib.codec import dumps

HAVE_TRACER = find_spec("aws_xray_sdk") is not None
DEBUG = False

if HAVE_TRACER:
    from aws_xray_sdk.core import patch_all

    patch_all()

if DEBUG:
    import debugpy

    debugpy.listen(5678)

if platform.python_version_tuple()[0] == "2":
    import ConfigParser

profile = DEBUG and __import__("pyinstrument")


def handler(event, context):
    return dumps([HAVE_TRACER, profile])
