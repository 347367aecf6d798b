"""Amounts of money, as text and as whole cents."""

from decimal import Decimal

CURRENCY = "EUR"


def parse(text: str) -> int:
    """Return the cents of an amount such as `9.90`."""
    return int(Decimal(text).scaleb(2).to_integral_exact())


def show(cents: int) -> str:
    """Return the amount as people read it: `9.90 EUR`."""
    return f"{Decimal(cents).scaleb(-2)} {CURRENCY}"
