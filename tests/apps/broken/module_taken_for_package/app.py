import json.decoder.strict


def handler(event, context):
    return json.dumps(event)
