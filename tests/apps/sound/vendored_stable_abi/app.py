import bcrypt


def handler(event, context):
    return bcrypt.__version__
