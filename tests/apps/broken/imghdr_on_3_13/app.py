import imghdr as kinds


def handler(event, context):
    return {}
