from chalicelib.report import report


def handler(event, context):
    return report()
