import chalicelib.jobs.nightly
from chalicelib.jobs import hourly


def handler(event, context):
    return [chalicelib.jobs.nightly.NAME, hourly.NAME]
