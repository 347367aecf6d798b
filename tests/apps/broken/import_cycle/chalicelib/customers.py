from chalicelib.orders import find


def name():
    return find.__name__
