from attrdict import AttrDict


def handler(event, context):
    return AttrDict(event)
