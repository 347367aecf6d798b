from yapf.yapflib.yapf_api import FormatCode


def handler(event, context):
    return FormatCode('a=1')[0]
