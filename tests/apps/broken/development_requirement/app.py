import pytest


def handler(event, context):
    return pytest.__version__
