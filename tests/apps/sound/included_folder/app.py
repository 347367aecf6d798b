from services.orders import find

import config


def handler(event, context):
    return find(config.NAME)
