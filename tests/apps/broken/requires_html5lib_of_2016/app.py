import html5lib


def handler(event, context):
    return str(html5lib)
