def run():
    try:
        exec 'x = 1'
    except NameError, error:
        return error
