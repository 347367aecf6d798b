"""The apps whose cold starts are measured, each with an event; a handler's answer contains "measured"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An app to start: `source` is its app.py.

    `aim` is how much CPU a start with bytecode may take, beside one without; None if none is aimed at.
    """

    name: str
    requirements: tuple[str, ...]
    source: str
    event: Mapping[str, Any]
    handler: str = "app.handler"
    aim: float | None = None

    @property
    def is_chalice(self) -> bool:
        """Whether it is an app of Chalice."""
        return "chalice" in self.requirements


_BOTO3 = """\
import boto3

s3 = boto3.client("s3", region_name="us-east-1")
dynamodb = boto3.client("dynamodb", region_name="us-east-1")


def handler(event, context):
    return "measured by " + s3.meta.service_model.service_name + " and " + dynamodb.meta.service_model.service_name
"""

_PANDAS = """\
import pandas as pd


def handler(event, context):
    frame = pd.DataFrame({"kind": ["a", "b", "a"], "amount": event["amounts"]})
    return {"measured": frame.groupby("kind")["amount"].sum().to_dict()}
"""

_FASTAPI = """\
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel


class Order(BaseModel):
    name: str
    amount: int = 1


app = FastAPI()


@app.get("/orders/{name}")
def read_order(name: str) -> Order:
    return Order(name=name)


handler = Mangum(app, lifespan="off")
"""

_SQLALCHEMY = """\
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

engine = create_engine("postgresql+psycopg2://user:secret@localhost/orders")


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "measured"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))


def handler(event, context):
    with Session(engine):
        return str(select(Order).where(Order.name == "a").compile(engine))
"""

_CHALICE = """\
from chalice import Chalice

app = Chalice(app_name="measured")


@app.route("/orders/{name}")
def read_order(name):
    return {"name": name, "method": app.current_request.method}
"""

_REST_EVENT = {
    "httpMethod": "GET",
    "path": "/orders/measured",
    "resource": "/orders/{name}",
    "headers": {"accept": "application/json"},
    "multiValueHeaders": {"accept": ["application/json"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"name": "measured"},
    "stageVariables": None,
    "requestContext": {
        "httpMethod": "GET",
        "resourcePath": "/orders/{name}",
        "path": "/orders/measured",
        "stage": "dev",
        "identity": {"sourceIp": "127.0.0.1"},
    },
    "body": None,
    "isBase64Encoded": False,
}

APPS = (
    App(name="boto3", requirements=("boto3",), source=_BOTO3, event={}, aim=0.60),
    App(name="pandas", requirements=("pandas",), source=_PANDAS, event={"amounts": [1, 2, 3]}, aim=0.30),
    App(
        name="fastapi",
        requirements=("fastapi", "mangum", "pydantic"),
        source=_FASTAPI,
        event=_REST_EVENT,
        aim=0.50,
    ),
    App(
        name="sqlalchemy",
        requirements=("sqlalchemy", "psycopg2-binary"),
        source=_SQLALCHEMY,
        event={},
        aim=0.38,
    ),
    App(name="chalice", requirements=("chalice",), source=_CHALICE, event=_REST_EVENT, handler="app.app"),
)
