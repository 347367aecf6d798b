import six
from six.moves import range as range_
from six.moves.urllib.parse import urlparse


def handler(event, context):
    return [six.PY3, list(range_(2)), urlparse('http://localhost/x').path]
