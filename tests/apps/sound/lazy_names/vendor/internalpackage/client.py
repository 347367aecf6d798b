def connect():
    return 'connected'
