try:
    import cPickle as pickle
except:
    import pickle


def handler(event, context):
    return pickle.__name__
