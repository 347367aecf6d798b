import structlog
import tenacity


def handler(event, context):
    return [bool(structlog.get_logger()), tenacity.retry.__name__]
