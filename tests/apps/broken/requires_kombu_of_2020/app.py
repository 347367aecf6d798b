from kombu import Connection


def handler(event, context):
    return str(Connection)
