__all__ = ['mean']


def total(values):
    return sum(values)


def mean(values):
    return total(values) / len(values)
