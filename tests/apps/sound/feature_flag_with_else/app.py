try:
    import brotli
except ModuleNotFoundError:
    HAS_BROTLI = False
else:
    import brotli.extras

    HAS_BROTLI = bool(brotli.extras)


def handler(event, context):
    return HAS_BROTLI
