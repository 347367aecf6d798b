from apscheduler.schedulers.background import BackgroundScheduler


def handler(event, context):
    return str(BackgroundScheduler)
