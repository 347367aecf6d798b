import ldap3


def handler(event, context):
    return ldap3.__version__
