def disconnect():
    return None
