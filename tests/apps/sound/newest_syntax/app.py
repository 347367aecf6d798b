import asyncio
from dataclasses import dataclass


@dataclass(slots=True)
class Point:
    x: int = 0
    y: int = 0


def describe(value):
    match value:
        case Point(x=0, y=0):
            return 'origin'
        case {'name': str(name), **rest} if rest:
            return name
        case [first, *_] | (first, _):
            return first
        case _:
            return None


def handler(event, context):
    try:
        raise ExceptionGroup('both', [KeyError('a'), ValueError('b')])
    except* KeyError as group:
        keys = len(group.exceptions)
    except* ValueError:
        pass
    with (open(__file__) as one, open(__file__) as two):
        same = one.read() == two.read()
    if (size := len(str(event))) > 1:
        same = same and asyncio.iscoroutinefunction(handler) is False
    return [describe(Point()), keys, same, size]
