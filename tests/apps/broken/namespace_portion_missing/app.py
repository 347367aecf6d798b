import acme.users
import acme.billing


def handler(event, context):
    return acme.users.ALL
