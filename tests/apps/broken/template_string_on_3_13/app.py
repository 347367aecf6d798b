def handler(event, context):
    return str(t'hello {event}')
