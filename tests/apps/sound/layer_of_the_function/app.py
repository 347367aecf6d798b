import shared_settings


def handler(event, context):
    return shared_settings.NAME
