"""Talks to PostgreSQL with psycopg2, which vendor/ brings along."""

import os
from typing import TypedDict

import psycopg2


class Visit(TypedDict):
    """What the function is called with."""

    visitor: str


def handler(event: Visit, context: object) -> dict[str, object]:
    """Note a visit, and answer with how many there were of this visitor."""
    connection = psycopg2.connect(os.environ["DATABASE"])
    try:
        # The connection's block is one transaction: committed at its end, rolled back by an exception.
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS visits (visitor text, at timestamptz DEFAULT now())")
            cursor.execute("INSERT INTO visits (visitor) VALUES (%s)", (event["visitor"],))
            cursor.execute("SELECT count(*) FROM visits WHERE visitor = %s", (event["visitor"],))
            (visits,) = cursor.fetchone()
    finally:
        connection.close()
    return {
        "visitor": event["visitor"],
        "visits": visits,
        "server": connection.server_version // 10_000,
        "libpq": psycopg2.extensions.libpq_version() // 10_000,
        "loaded_from": psycopg2.__file__,
    }
