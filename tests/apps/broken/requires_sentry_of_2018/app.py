import sentry_sdk


def handler(event, context):
    return sentry_sdk.VERSION
