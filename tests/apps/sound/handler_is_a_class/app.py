class Answer(dict):
    def __init__(self, event, context):
        super().__init__(ok=context is not None)
