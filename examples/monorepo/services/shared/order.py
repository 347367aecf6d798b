"""An order, as the services hand it to each other."""

from dataclasses import dataclass
from typing import TypedDict

from shared import money


class LineEvent(TypedDict):
    """A line as it comes over the wire."""

    product: str
    quantity: int
    price: str


class OrderEvent(TypedDict):
    """An order as it comes over the wire."""

    lines: list[LineEvent]


@dataclass(frozen=True)
class Line:
    """Some pieces of a product; `price` is that of one, in cents."""

    product: str
    quantity: int
    price: int

    @property
    def total(self) -> int:
        """Cents of all pieces."""
        return self.quantity * self.price


def read_lines(event: OrderEvent) -> list[Line]:
    """Return an order's lines."""
    return [Line(line["product"], line["quantity"], money.parse(line["price"])) for line in event["lines"]]
