from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model


def handler(event, context):
    return [Model.__name__, UnicodeAttribute.__name__]
