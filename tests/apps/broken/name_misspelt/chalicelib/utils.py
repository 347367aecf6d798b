def hi():
    return 'hi'
