from distutils.version import LooseVersion


def handler(event, context):
    return {}
