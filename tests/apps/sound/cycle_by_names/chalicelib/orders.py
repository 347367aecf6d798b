from chalicelib.customers import table

TABLE = "orders"


def find():
    return table()
