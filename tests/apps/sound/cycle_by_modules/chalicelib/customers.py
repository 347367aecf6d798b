import chalicelib.orders


def name():
    return chalicelib.orders.find.__name__
