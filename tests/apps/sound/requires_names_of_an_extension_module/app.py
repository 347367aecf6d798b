from psycopg2.errors import UniqueViolation


def handler(event, context):
    return UniqueViolation.__name__
