import json

if __name__ == '__main__':

    def handler(event, context):
        return json.dumps(event)
