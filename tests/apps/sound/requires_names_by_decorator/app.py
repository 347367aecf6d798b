from aiosmtpd.controller import *
from aiosmtpd.smtp import *


def handler(event, context):
    return [Controller.__name__, SMTP.__name__]
