import httpx


def handler(event, context):
    return httpx.Request('GET', 'https://example.org').method
