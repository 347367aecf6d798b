from markupsafe import Markup, escape
from markupsafe import _speedups


def handler(event, context):
    return str(escape('<') + Markup('b')) + _speedups.__name__
