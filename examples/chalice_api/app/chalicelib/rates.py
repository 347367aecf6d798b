"""Value added tax, and the routes that answer questions about it."""

from decimal import Decimal

from chalice import Blueprint, NotFoundError

RATES = {"DE": Decimal("0.19"), "FR": Decimal("0.20"), "LU": Decimal("0.17")}

routes = Blueprint(__name__)


@routes.route("/")
def list_rates() -> dict[str, str]:
    """Answer with all rates."""
    return {country: str(rate) for country, rate in RATES.items()}


@routes.route("/{country}")
def show_rate(country: str) -> dict[str, str]:
    """Answer with a country's rate."""
    return {"country": country, "rate": str(find_rate(country))}


def find_rate(country: str) -> Decimal:
    """Return a country's rate; answers 404 for a country without one."""
    if country not in RATES:
        raise NotFoundError(f"no rate is known for {country!r}")
    return RATES[country]
