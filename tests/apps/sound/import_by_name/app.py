import importlib

backend = importlib.import_module('chalicelib.backends.memory')
other = __import__('chalicelib.backends.disk', fromlist=['NAME'])


def handler(event, context):
    return [backend.NAME, other.NAME]
