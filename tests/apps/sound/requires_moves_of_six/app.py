from six.moves import urllib
from six.moves.urllib.parse import urlencode


def handler(event, context):
    return urlencode({'a': 1}) + urllib.parse.quote('/')
