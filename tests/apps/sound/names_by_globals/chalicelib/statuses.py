from http import HTTPStatus

globals().update({status.name: int(status) for status in HTTPStatus})
