import acme.users


def handler(event, context):
    return acme.users.ALL
