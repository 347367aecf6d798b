from flask import Flask


def handler(event, context):
    return Flask(__name__).name
