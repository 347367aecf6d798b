from typing import overridden


@overridden
def handler(event, context):
    return {}
