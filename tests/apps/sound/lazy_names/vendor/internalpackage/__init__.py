def __getattr__(name):
    if name == 'connect':
        from internalpackage.client import connect

        return connect
    raise AttributeError(name)
