class Service:
    def handler(self, event, context):
        return event
