def größe(value):
    return value * 2
