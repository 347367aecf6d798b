import importlib

_LAZY = {'orders', 'customers'}


def __getattr__(name):
    if name in _LAZY:
        return importlib.import_module(f'.{name}', __name__)
    raise AttributeError(name)
