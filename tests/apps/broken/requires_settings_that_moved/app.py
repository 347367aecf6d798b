from pydantic import BaseSettings


def handler(event, context):
    return str(BaseSettings)
