import chalicelib.database


def handler(event, context):
    return chalicelib.database.rows()
