import httpx


def fetch():
    return httpx.get('http://localhost')
