from flask import Flask, jsonify

app = Flask(__name__)


def handler(event, context):
    return [app.name, jsonify.__name__]
