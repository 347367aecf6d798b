from .orders import find

TABLE = "orders"
