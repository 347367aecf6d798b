def table():
    from chalicelib.orders import TABLE

    return TABLE


from chalicelib.orders import find
