from flask_wtf import FlaskForm


def handler(event, context):
    return str(FlaskForm)
