from chalicelib.utils import hii


def handler(event, context):
    return hii()
