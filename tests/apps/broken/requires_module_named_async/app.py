import pexpect


def handler(event, context):
    return pexpect.__version__
