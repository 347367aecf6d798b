from flask_login import LoginManager


def handler(event, context):
    return str(LoginManager)
