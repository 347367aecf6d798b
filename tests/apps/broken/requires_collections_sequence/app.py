from sortedcontainers import SortedList


def handler(event, context):
    return list(SortedList([2, 1]))
