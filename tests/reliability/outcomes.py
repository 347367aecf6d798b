"""What a disturbed build may come to, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a case ended; the last is a fault of the product."""

    RIGHT = "right"
    MESSAGE = "error message"
    WRONG = "wrong"


class WrongError(Exception):
    """The product broke a promise; the text says which, and how it was seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One disturbance. `number` is its place among the cases of its `subject`, and `row` its row of the table.

    `run` returns how it ended, and raises `WrongError` for a broken promise.
    """

    subject: str
    number: int
    row: str
    run: Callable[[], Outcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a case ended; `reason` says what was wrong."""

    case: Case
    outcome: Outcome
    reason: str = ""


def run_case(case: Case) -> Result:
    """Run a case, and return how it ended."""
    try:
        return Result(case=case, outcome=case.run())
    except WrongError as error:
        return Result(case=case, outcome=Outcome.WRONG, reason=str(error))
