def handler(event, context):
    try:
        return event['name']
    except* KeyError:
        pass
