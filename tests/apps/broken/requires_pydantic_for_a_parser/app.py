from aws_lambda_powertools.utilities.parser import event_parser


def handler(event, context):
    return str(event_parser)
