"""The function orders.cancel."""

import sortedcontainers


def handler(event: dict[str, list[int]], _context: object) -> dict[str, object]:
    """Sort what was sent, and say who did it with which release."""
    numbers = sortedcontainers.SortedList(event.get("numbers", []))
    return {"function": "orders.cancel", "numbers": list(numbers), "release": sortedcontainers.__version__}
