"""Reports what sells best."""

from typing import TypedDict

from shared import money
from shared.order import OrderEvent, read_lines
from sortedcontainers import SortedKeyList


class OrdersEvent(TypedDict):
    """The orders of a day."""

    orders: list[OrderEvent]


def handler(event: OrdersEvent, context: object) -> list[dict[str, str]]:
    """Answer with the products and their turnover, the best first."""
    turnover: dict[str, int] = {}
    for order in event["orders"]:
        for line in read_lines(order):
            turnover[line.product] = turnover.get(line.product, 0) + line.total
    best = SortedKeyList(turnover.items(), key=lambda item: (-item[1], item[0]))
    return [{"product": product, "turnover": money.show(cents)} for product, cents in best]
