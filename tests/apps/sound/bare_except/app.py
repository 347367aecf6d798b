try:
    import cPickle as pickle
except:  # noqa: E722
    import pickle


def handler(event, context):
    return pickle.__name__
