import winreg


def handler(event, context):
    return winreg.__name__
