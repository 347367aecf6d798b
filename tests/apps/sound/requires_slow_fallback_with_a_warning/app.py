from fuzzywuzzy import fuzz


def handler(event, context):
    return fuzz.ratio('a', 'a')
