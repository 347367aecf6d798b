from chalicelib.database import connect


def find(event):
    return connect()
