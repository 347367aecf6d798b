from h2.settings import Settings


def handler(event, context):
    return dict(Settings())
