import tomli


def handler(event, context):
    return tomli.loads(event['toml'])
