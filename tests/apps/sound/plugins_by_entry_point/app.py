from importlib.metadata import entry_points


def handler(event, context):
    return [point.load()() for point in entry_points(group='shop.plugins')]
