import json

import yaml


def handler(event, context):
    return yaml.safe_load(json.dumps(event))
