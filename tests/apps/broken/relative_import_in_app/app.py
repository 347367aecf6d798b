from .chalicelib import utils


def handler(event, context):
    return utils.hi()
