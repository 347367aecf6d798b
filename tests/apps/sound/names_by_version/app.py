import collections
import inspect
import sys
import typing

try:
    from collections import Mapping
except ImportError:
    from collections.abc import Mapping

if sys.version_info >= (3, 12):
    from typing import override
else:

    def override(function):
        return function


if hasattr(typing, "TypeIs"):
    from typing import TypeIs
else:
    TypeIs = None

if hasattr(inspect, "getargspec"):
    from inspect import getargspec
else:
    getargspec = None


@override
def handler(event, context):
    return [isinstance(event, Mapping), TypeIs is None, getargspec is None, hasattr(collections, "Mapping")]
