from aws_lambda_powertools import Logger, Metrics

logger = Logger(service='a')


def handler(event, context):
    return [logger.service, Metrics.__name__]
