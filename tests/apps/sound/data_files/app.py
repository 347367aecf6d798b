import importlib.resources


def handler(event, context):
    return importlib.resources.files('chalicelib').joinpath('data/greeting.txt').read_text().strip()
