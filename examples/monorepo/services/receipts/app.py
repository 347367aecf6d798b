"""Prints receipts, as a table of plain text."""

from shared import money
from shared.order import OrderEvent, read_lines
from tabulate import tabulate


def handler(event: OrderEvent, context: object) -> str:
    """Answer with the receipt."""
    lines = read_lines(event)
    rows = [[line.quantity, line.product, money.show(line.total)] for line in lines]
    rows.append(["", "Total", money.show(sum(line.total for line in lines))])
    return tabulate(rows, tablefmt="plain", colalign=("right", "left", "right"))
