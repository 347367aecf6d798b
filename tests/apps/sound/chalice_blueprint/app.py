from chalice import Chalice

from chalicelib.routes import routes

app = Chalice(app_name='shop')
app.register_blueprint(routes)
