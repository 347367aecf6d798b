def find(event):
    return event
