from marshmallow import Schema


def handler(event, context):
    return str(Schema)
