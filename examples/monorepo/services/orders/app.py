"""Takes orders: answers with the total."""

from shared import money
from shared.order import OrderEvent, read_lines


def handler(event: OrderEvent, context: object) -> dict[str, object]:
    """Answer with the number of pieces and the total."""
    lines = read_lines(event)
    return {
        "pieces": sum(line.quantity for line in lines),
        "total": money.show(sum(line.total for line in lines)),
    }
