"""Invoices over HTTP, and a look at the rates once a day. `chalice local` runs this app as it is."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from chalice import BadRequestError, Chalice, CORSConfig, Rate, Response
from chalice.app import CloudWatchEvent
from chalicelib import rates

app = Chalice(app_name="invoices")
app.register_blueprint(rates.routes, url_prefix="/rates")

CENT = Decimal("0.01")
BROWSERS = CORSConfig(allow_origin="https://shop.example", allow_headers=["X-Shop"], max_age=600)


@app.route("/")
def index() -> dict[str, object]:
    """Answer with what the request asked for."""
    request = app.current_request
    return {"service": "invoices", "query": dict(request.query_params or {})}


@app.route("/invoices", methods=["POST"], cors=BROWSERS)
def create_invoice() -> Response:
    """Answer with the totals of an invoice, given its country and net amounts."""
    invoice = app.current_request.json_body
    try:
        net = sum((Decimal(amount) for amount in invoice["net"]), start=Decimal(0))
        country = invoice["country"]
    except (KeyError, TypeError, InvalidOperation):
        raise BadRequestError("an invoice is {'country': ..., 'net': ['9.90', ...]}") from None
    tax = (net * rates.find_rate(country)).quantize(CENT, ROUND_HALF_UP)
    body = {"country": country, "net": str(net), "tax": str(tax), "gross": str(net + tax)}
    return Response(body, status_code=201, headers={"X-Currency": "EUR"})


@app.route("/invoices/{number}", methods=["GET", "DELETE"])
def invoice(number: str) -> dict[str, str]:
    """Answer with what would be done to an invoice; nothing is kept here."""
    return {"invoice": number, "method": app.current_request.method}


@app.schedule(Rate(1, unit=Rate.DAYS))
def review_rates(event: CloudWatchEvent) -> dict[str, object]:
    """Log the rates in force. EventBridge calls this, not API Gateway."""
    app.log.info("%d rates in force", len(rates.RATES))
    return {"reviewed": sorted(rates.RATES), "because": event.detail_type}
