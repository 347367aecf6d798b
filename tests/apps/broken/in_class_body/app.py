class Schemas:
    from marshmallow import Schema


def handler(event, context):
    return Schemas.__name__
