from tenacity import retry


def handler(event, context):
    return str(retry)
