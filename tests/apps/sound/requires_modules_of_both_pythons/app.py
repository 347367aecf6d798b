from builtins import str

from future.standard_library import install_aliases
from past.builtins import basestring

install_aliases()


def handler(event, context):
    return [str(1), isinstance('', basestring)]
