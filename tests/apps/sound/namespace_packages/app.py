import jaraco.context
import jaraco.internal


def handler(event, context):
    return [jaraco.internal.NAME, jaraco.context.__name__]
