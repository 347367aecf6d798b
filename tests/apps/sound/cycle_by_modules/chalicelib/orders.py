import chalicelib.customers


def find():
    return chalicelib.customers.name()
