from inner.texts import HELLO

from . import numbers_


def run(event, context):
    return [HELLO, numbers_.TWO]
