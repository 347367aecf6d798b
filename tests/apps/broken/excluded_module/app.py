from chalicelib.seeds import rows


def handler(event, context):
    return rows()
