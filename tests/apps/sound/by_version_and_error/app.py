import sys

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

if sys.version_info[:2] < (3, 11):
    from exceptiongroup import ExceptionGroup


def handler(event, context):
    return tomllib.loads('a = 1')
