import boto3
import dateutil.parser
import jmespath
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError


def handler(event, context):
    return [jmespath.search('a', {'a': 1}), ClientError.__name__, dateutil.parser.parse('2026-01-02').day, Config.__name__, bool(boto3.__version__), bool(urllib3.__version__)]
