from chalicelib.customers import name


def find():
    return name()
