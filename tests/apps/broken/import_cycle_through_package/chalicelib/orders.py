from . import TABLE


def find():
    return TABLE
