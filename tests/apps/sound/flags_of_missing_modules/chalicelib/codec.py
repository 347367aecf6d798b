import json

try:
    import orjson
except ImportError:
    orjson = None

HAVE_NUMPY = False
try:
    import numpy

    HAVE_NUMPY = True
except ImportError:
    pass

if HAVE_NUMPY:
    import numpy.linalg

if orjson is not None:
    from orjson import dumps
else:
    dumps = json.dumps


def describe(table):
    if orjson is None:
        raise RuntimeError("Install orjson to describe a table")
    from orjson import OPT_SERIALIZE_NUMPY

    return orjson.dumps(numpy.array(table), option=OPT_SERIALIZE_NUMPY)
