import msgpack
import simplejson
import wrapt


def handler(event, context):
    return [simplejson.dumps(1), msgpack.packb(1)[0], bool(wrapt.decorator)]
