from sqlalchemy import create_engine, text


def handler(event, context):
    return create_engine('sqlite://').dialect.name
