import apscheduler


def handler(event, context):
    return apscheduler.version_info[0]
