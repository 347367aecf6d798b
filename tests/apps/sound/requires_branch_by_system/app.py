import colorama
import portalocker


def handler(event, context):
    return [colorama.Fore.RED, portalocker.LockFlags.SHARED.name]
