def prepare(event):
    return event['request']
