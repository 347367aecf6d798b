from authlib.integrations.requests_client import OAuth2Session


def handler(event, context):
    return str(OAuth2Session)
