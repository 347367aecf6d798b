class Codec:
    import base64 as _base64

    try:
        from lz4 import frame as _frame
    except ImportError:
        _frame = None

    def encode(self, data):
        return self._base64.b64encode(data).decode()


def handler(event, context):
    return Codec().encode(b'hi')
