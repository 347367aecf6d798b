from requests.packages.urllib3.util.retry import Retry


def handler(event, context):
    return Retry(3).total
