from chalice import Blueprint, Response

routes = Blueprint(__name__)


@routes.route('/')
def index():
    return Response(body='hi', status_code=200, headers={'Content-Type': 'text/plain'})
