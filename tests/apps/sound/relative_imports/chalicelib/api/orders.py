from . import customers
from ..storage import rows
from .customers import NAME as name


def find():
    return [name, customers.NAME, rows()]
