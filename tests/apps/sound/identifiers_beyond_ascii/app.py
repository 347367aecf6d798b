from chalicelib.größen import größe


def handler(event, context):
    return größe(2)
