from pydantic import BaseModel, Field


def handler(event, context):
    return [BaseModel.__name__, Field.__name__]
