from celery import Celery, group


def handler(event, context):
    return [Celery.__name__, group.__name__]
