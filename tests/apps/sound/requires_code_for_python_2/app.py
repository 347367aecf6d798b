from aenum import Enum


def handler(event, context):
    return Enum('Color', 'red').red.name
