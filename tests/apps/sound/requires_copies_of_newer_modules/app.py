import importlib_metadata
import typing_extensions


def handler(event, context):
    return [importlib_metadata.version('zipp'), typing_extensions.Self.__class__.__name__ != '']
