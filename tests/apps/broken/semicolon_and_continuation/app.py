import os; from toolz import (
    curry,
)


def handler(event, context):
    return os.name + curry.__name__
