from chalice import Chalice
from chalice.test import Client

app = Chalice(app_name='shop')


@app.route('/')
def index():
    return {'client': Client.__name__}
