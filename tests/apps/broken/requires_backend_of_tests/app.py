from starlette.testclient import TestClient


def handler(event, context):
    return str(TestClient)
