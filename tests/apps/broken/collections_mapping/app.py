from collections import Mapping, OrderedDict


def handler(event, context):
    return isinstance(OrderedDict(), Mapping)
