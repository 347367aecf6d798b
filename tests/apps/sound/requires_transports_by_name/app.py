from smart_open import open as smart
from smart_open.transport import SUPPORTED_SCHEMES


def handler(event, context):
    return [smart.__name__, 's3' in SUPPORTED_SCHEMES]
