from chalicelib import models


def handler(event, context):
    return models.ALL
