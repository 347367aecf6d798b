from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service='shop')


@logger.inject_lambda_context
def lambda_handler(event: dict, context: LambdaContext) -> dict:
    return {'memory': bool(context.memory_limit_in_mb)}
