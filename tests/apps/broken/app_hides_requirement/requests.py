import requests

fetch = requests.get


def handler(event, context):
    return fetch
