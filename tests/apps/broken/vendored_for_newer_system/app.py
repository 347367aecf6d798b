import numpy


def handler(event, context):
    return numpy.__version__
