"""Sorts orders by their total."""

from typing import TypedDict

from sortedcontainers import SortedKeyList


class Order(TypedDict):
    """An order of the event."""

    id: str
    total: int


def handler(event: dict[str, list[Order]], context: object) -> list[str]:
    """Answer with the ids of all orders, the largest first."""
    return [order["id"] for order in SortedKeyList(event["orders"], key=lambda order: -order["total"])]
