import pathlib

TEXT = pathlib.Path(__file__).with_name('greeting.txt').read_text()


def handler(event, context):
    return TEXT
