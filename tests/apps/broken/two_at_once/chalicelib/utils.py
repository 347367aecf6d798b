import cachetools


def hi(now):
    return str(now)
