from tqdm.auto import tqdm


def handler(event, context):
    return tqdm.__name__
