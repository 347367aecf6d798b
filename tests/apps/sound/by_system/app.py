import os
import sys

if sys.platform == 'win32':
    import winreg
elif sys.platform.startswith('darwin'):
    import _scproxy
else:
    import fcntl

if os.name == 'nt':
    import msvcrt

try:
    import pwd
except ImportError:
    pwd = None


def handler(event, context):
    return [fcntl.__name__, pwd.__name__]
