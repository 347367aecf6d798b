import asyncore
import distutils.version
import imp
from typing import Optional


def handler(event, context):
    return [imp.__name__, asyncore.__name__, distutils.version.LooseVersion('1') < distutils.version.LooseVersion('2'), str(Optional[int])]
