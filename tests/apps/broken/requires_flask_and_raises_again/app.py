from sentry_sdk.integrations.flask import FlaskIntegration


def handler(event, context):
    return str(FlaskIntegration)
