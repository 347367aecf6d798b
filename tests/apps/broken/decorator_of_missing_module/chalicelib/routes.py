from chalice import Blueprint

from aws_xray_sdk.core import xray_recorder

routes = Blueprint(__name__)


@routes.route('/')
@xray_recorder.capture('index')
def index():
    return {}
