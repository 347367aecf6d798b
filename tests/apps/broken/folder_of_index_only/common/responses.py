def ok():
    return {'statusCode': 200}
