from __future__ import print_function

try:
    from urllib2 import urlopen
    from urlparse import urlparse
except ImportError:
    from urllib.parse import urlparse
    from urllib.request import urlopen


def handler(event, context):
    return urlparse('http://localhost/x').path + urlopen.__name__
