import json

from chalicelib import email
from chalicelib.json import dumps


def handler(event, context):
    return [dumps(), json.dumps({}), email.NAME]
