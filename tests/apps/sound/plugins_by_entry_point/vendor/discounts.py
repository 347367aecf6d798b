def apply():
    return 'discount'
