class Handler:
    def __init__(self):
        self.stage = "dev"

    def __call__(self, event, context):
        return self.stage
