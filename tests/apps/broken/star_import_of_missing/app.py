from settings import *


def handler(event, context):
    return {}
