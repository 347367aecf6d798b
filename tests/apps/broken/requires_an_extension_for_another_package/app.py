from apispec.ext.marshmallow import MarshmallowPlugin


def handler(event, context):
    return str(MarshmallowPlugin)
