from aws_lambda_typing import context as context_


def handler(event, context: context_.Context):
    return context.function_name
