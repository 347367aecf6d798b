import jwt


def handler(event, context):
    return jwt.__version__
