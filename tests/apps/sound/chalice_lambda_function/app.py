from chalice import Chalice

app = Chalice(app_name='shop')


@app.lambda_function()
def double(event, context):
    return event['n'] * 2
