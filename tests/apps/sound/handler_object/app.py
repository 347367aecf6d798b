class Service:
    def __init__(self, name):
        self.name = name

    def __call__(self, event, context):
        return self.name


handler = Service('shop')
