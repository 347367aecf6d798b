from aws_lambda_powertools.utilities.validation import validator


def handler(event, context):
    return str(validator)
