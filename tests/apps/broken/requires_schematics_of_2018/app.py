from schematics.models import Model


def handler(event, context):
    return str(Model)
