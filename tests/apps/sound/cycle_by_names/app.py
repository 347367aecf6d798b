from chalicelib import customers, stages


def handler(event, context):
    return [customers.table(), customers.find.__name__, stages.STAGE]
