from dateutil import tz
from dateutil.parser import parse


def handler(event, context):
    return [str(parse('2020-01-01')), tz.tzwin]
