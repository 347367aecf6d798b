from chalice import Chalice as Base


class Shop(Base):
    pass


app = Shop(app_name='shop')


@app.route('/')
def index():
    return {}
