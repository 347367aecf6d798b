import tweepy


def handler(event, context):
    return tweepy.__version__
