def handler(event, context):
    return {}


if __name__ == '__main__':
    import argparse

    argparse.ArgumentParser().parse_args()
    handler({}, None)
