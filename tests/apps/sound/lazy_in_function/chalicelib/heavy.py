def work(value):
    return value * 2
