import internalpackage
from chalicelib import utils


def handler(event, context):
    return [internalpackage.NAME, utils.hi()]
