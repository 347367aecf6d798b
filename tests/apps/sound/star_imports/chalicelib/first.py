__all__ = ['public']


def public():
    return 1


def other():
    return 0
