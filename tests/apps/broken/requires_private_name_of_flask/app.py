from flask_restful import Api


def handler(event, context):
    return str(Api)
