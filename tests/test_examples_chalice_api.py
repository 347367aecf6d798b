"""The Chalice example behind API Gateway answers as `chalice local` does."""

import http.client
import json
import os
import subprocess
import sys
import zipfile

import pytest
from api_gateway import Request, Response, RestApi, as_event, read_integrations
from local_aws import ROOT, emulator
from processes import free_port, running, wait_for_port
from this_host import require_file, require_lambda

pytestmark = [pytest.mark.deploy, pytest.mark.thorough, pytest.mark.xdist_group("deploy")]

STACK = "ChaliceApiExample"
CHALICE = ROOT / ".venv" / "peers" / "chalice" / "bin" / "chalice"

# What a server says of itself, not the app.
OF_THE_SERVER = {"server", "date", "content-length", "connection", "x-amzn-requestid", "x-amzn-errortype"}

JSON = (("content-type", "application/json"),)
BROWSER = (("origin", "https://shop.example"),)
REQUESTS = (
    Request("GET", "/"),
    Request("GET", "/?page=2&tag=a&tag=b&empty="),
    Request("POST", "/invoices", JSON, '{"country": "DE", "net": ["9.90", "0.10"]}'),
    Request("POST", "/invoices", (*JSON, *BROWSER), '{"country": "FR", "net": ["100"], "note": "für später"}'),
    Request("POST", "/invoices", JSON, '{"country": "XX", "net": ["1"]}'),
    Request("POST", "/invoices", JSON, '{"country": "DE"}'),
    Request("POST", "/invoices", JSON, "{not JSON"),
    Request("POST", "/invoices", (("content-type", "text/csv"),), "DE,1"),
    Request("GET", "/invoices/2026-17"),
    Request("DELETE", "/invoices/2026-17"),
    Request("GET", "/rates"),
    Request("GET", "/rates/LU"),
    Request("GET", "/rates/XX"),
    Request("OPTIONS", "/invoices", (*BROWSER, ("access-control-request-method", "POST"))),
    Request("GET", "/nowhere"),
)


@pytest.fixture(scope="module")
def rest_api(deployed):
    """The deployed API in front of the deployed function."""
    require_lambda()
    web = deployed.function(STACK, "Web")
    integrations = read_integrations(deployed.template(STACK))
    with emulator(deployed.task_root(web), web.handler, log=deployed.folder / "web.log") as call:
        yield RestApi(integrations, call)


@pytest.fixture(scope="module")
def chalice_local(deployed):
    """The port on which the real `chalice local` runs the app."""
    require_file(CHALICE)
    port, log = free_port(), deployed.folder / "chalice.log"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [str(CHALICE), "local", "--host", "127.0.0.1", "--port", str(port), "--no-autoreload"]
    with running(command, log=log, environment=environment, cwd=deployed.examples / "chalice_api" / "app") as process:
        wait_for_port(port, process, log)
        yield port


def send(port: int, request: Request) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = None if request.body is None else request.body.encode()
        connection.request(request.method, request.url, body, dict(request.headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, headers, response.read().decode())
    finally:
        connection.close()


def headers_of_the_app(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in OF_THE_SERVER}


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_the_deployed_api_answers_as_chalice_local_does(rest_api, chalice_local, request_):
    deployed, local = rest_api.answer(request_), send(chalice_local, request_)
    assert (deployed.status, deployed.body) == (local.status, local.body)
    if deployed.status == 403:
        return  # by API Gateway itself, before any function
    ours = headers_of_the_app(deployed)
    if request_.method == "OPTIONS":
        assert ours.pop("vary") == "Origin"  # CDK's addition: the answer is for one origin
    assert ours == headers_of_the_app(local)


def test_the_answers_are_those_that_the_app_means(rest_api):
    statuses = [rest_api.answer(request).status for request in REQUESTS]
    assert statuses == [200, 200, 201, 201, 404, 400, 400, 415, 200, 200, 200, 200, 404, 200, 403]
    invoice = json.loads(rest_api.answer(REQUESTS[2]).body)
    assert invoice == {"country": "DE", "net": "10.00", "tax": "1.90", "gross": "11.90"}


def test_a_browser_may_send_what_the_preflight_allows(rest_api):
    preflight = rest_api.answer(Request("OPTIONS", "/invoices", BROWSER))
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert preflight.headers["access-control-allow-methods"] == "POST,OPTIONS"
    assert preflight.headers["access-control-max-age"] == "600"


def test_a_catch_all_resource_would_reach_no_view(rest_api):
    # Why the stack declares every route.
    assert rest_api.call(as_event(REQUESTS[10], "/rates", {}))["statusCode"] == 200
    assert rest_api.call(as_event(REQUESTS[10], "/{proxy+}", {"proxy": "rates"}))["statusCode"] == 405


def test_only_the_two_files_of_chalice_that_a_function_needs_are_packaged(deployed):
    with zipfile.ZipFile(deployed.archive(deployed.function(STACK, "Web"))) as package:
        names = package.namelist()
    assert {name for name in names if name.startswith("chalice/")} == {"chalice/__init__.py", "chalice/app.py"}
    top = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert top == {"app.py", "chalice", "chalicelib"}


def test_the_api_and_the_schedule_are_one_package(deployed):
    assert deployed.function(STACK, "Web").key == deployed.function(STACK, "ReviewRates").key


def test_the_scheduled_function_answers_eventbridge(deployed):
    require_lambda()
    review = deployed.function(STACK, "ReviewRates")
    assert review.handler == "app.review_rates"
    event = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-21T06:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/daily"],
        "detail": {},
    }
    with emulator(deployed.task_root(review), review.handler, log=deployed.folder / "review.log") as call:
        assert call(event) == {"reviewed": ["DE", "FR", "LU"], "because": "Scheduled Event"}


@pytest.fixture(scope="module")
def declared(deployed) -> dict:
    """The routes and the schedule that the packaged app declares."""
    program = """
import json
from app import app
(schedule,) = app.event_sources
routes = [[path, method] for path, methods in app.routes.items() for method in methods]
print(json.dumps({"routes": routes, "schedule": schedule.schedule_expression.to_string()}))
"""
    task_root = deployed.task_root(deployed.function(STACK, "Web"))
    environment = {**os.environ, "PYTHONPATH": str(task_root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_stack_declares_every_route_of_the_app(deployed, declared):
    integrations = read_integrations(deployed.template(STACK))
    proxies = {key for key, integration in integrations.items() if integration["Type"] == "AWS_PROXY"}
    assert proxies == {tuple(route) for route in declared["routes"]}


def test_the_stack_has_the_schedule_of_the_app(deployed, declared):
    resources = deployed.template(STACK)["Resources"].values()
    (rule,) = (item["Properties"] for item in resources if item["Type"] == "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == declared["schedule"]


def test_chalice_is_in_no_requirements_file(deployed):
    assert not (deployed.examples / "chalice_api" / "app" / "requirements.txt").exists()
