import ifaddr


def handler(event, context):
    return bool(ifaddr.get_adapters)
