import client


def handler(event, context):
    return client.NAME
