import pyodbc


def handler(event, context):
    return pyodbc.version
