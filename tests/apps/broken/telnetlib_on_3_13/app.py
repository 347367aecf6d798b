from telnetlib import Telnet


def handler(event, context):
    return {}
