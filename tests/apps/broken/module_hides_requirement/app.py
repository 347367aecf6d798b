import requests

PREPARE = requests.prepare


def handler(event, context):
    return PREPARE(event)
