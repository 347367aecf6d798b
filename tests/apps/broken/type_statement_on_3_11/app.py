type Event = dict[str, str]


def handler(event: Event, context):
    return event
