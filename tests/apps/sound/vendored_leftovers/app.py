import legacy


def handler(event, context):
    return legacy.NAME
