import asyncore


def handler(event, context):
    return {}
