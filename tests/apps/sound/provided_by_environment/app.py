import yaml


def handler(event, context):
    return yaml.__name__
