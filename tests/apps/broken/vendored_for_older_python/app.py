import turnstile


def handler(event, context):
    return turnstile.__name__
