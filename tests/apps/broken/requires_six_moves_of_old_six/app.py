from dateutil import parser


def handler(event, context):
    return str(parser.parse('2020-01-01'))
