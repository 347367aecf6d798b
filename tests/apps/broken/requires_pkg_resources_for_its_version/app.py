from marshmallow_jsonschema import JSONSchema


def handler(event, context):
    return str(JSONSchema)
