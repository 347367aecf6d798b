try:
    import pymysql
except ImportError as error:
    raise RuntimeError('Install the drivers') from error


def handler(event, context):
    return pymysql.VERSION
