from aws_lambda_powertools import Logger, Tracer

logger = Logger(service='a')


def trace(event):
    return Tracer().capture_method(event)


def handler(event, context):
    return Tracer.__name__
