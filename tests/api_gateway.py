"""API Gateway in front of a function: a REST API as its deployed template describes it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """An HTTP request; `url` is its path and query."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


@dataclass(frozen=True)
class Response:
    """What a client sees; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class RestApi:
    """The integrations of a template by resource path and method, and the function behind those that are proxies."""

    integrations: Mapping[tuple[str, str], Mapping]
    call: Callable[[Mapping], Mapping]

    def answer(self, request: Request) -> Response:
        url = urlsplit(request.url)
        path = url.path.rstrip("/") or "/"
        for resource, method in sorted(self.integrations):
            parameters = match(resource, path)
            if method == request.method and parameters is not None:
                integration = self.integrations[resource, method]
                if integration["Type"] == "MOCK":
                    return answer_by_itself(integration)
                return as_response(self.call(as_event(request, resource, parameters)))
        return Response(403, {}, '{"message": "Missing Authentication Token"}')


def read_integrations(template: Mapping) -> dict[tuple[str, str], Mapping]:
    """Return a template's integrations by the path of their resource and the method."""
    resources = template["Resources"]

    def path_of(reference: Mapping) -> str:
        if "Ref" not in reference:
            return ""  # the root, an attribute of the API
        resource = resources[reference["Ref"]]["Properties"]
        return f"{path_of(resource['ParentId'])}/{resource['PathPart']}"

    methods = [item["Properties"] for item in resources.values() if item["Type"] == "AWS::ApiGateway::Method"]
    return {(path_of(method["ResourceId"]) or "/", method["HttpMethod"]): method["Integration"] for method in methods}


def match(resource: str, path: str) -> dict[str, str] | None:
    """Return the path's parameters if it is one of the resource."""
    wanted, given = resource.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    pairs = list(zip(wanted, given, strict=True))
    if any(not part.startswith("{") and part != value for part, value in pairs):
        return None
    return {part[1:-1]: value for part, value in pairs if part.startswith("{")}


def as_event(request: Request, resource: str, parameters: Mapping) -> dict:
    url = urlsplit(request.url)
    query = parse_qs(url.query, keep_blank_values=True)
    headers = {name.title(): value for name, value in request.headers}
    return {
        "resource": resource,
        "path": url.path,
        "httpMethod": request.method,
        "headers": headers or None,
        "multiValueHeaders": {name: [value] for name, value in headers.items()} or None,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": request.method,
            "path": f"/prod{url.path}",
            "stage": "prod",
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
        },
        "body": request.body,
        "isBase64Encoded": False,
    }


def as_response(answer: Mapping) -> Response:
    several = {name: ",".join(values) for name, values in answer.get("multiValueHeaders", {}).items()}
    headers = {"Content-Type": "application/json", **answer["headers"], **several}
    body = base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else answer["body"]
    return Response(answer["statusCode"], {name.lower(): value for name, value in headers.items()}, body)


def answer_by_itself(integration: Mapping) -> Response:
    (response,) = integration["IntegrationResponses"]
    headers = {
        name.removeprefix("method.response.header.").lower(): value.strip("'")
        for name, value in response["ResponseParameters"].items()
    }
    return Response(int(response["StatusCode"]), headers, "")
