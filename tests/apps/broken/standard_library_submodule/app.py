import xml.etree.FastTree as ET


def handler(event, context):
    return ET.__name__
