"""What became of one import statement, as a value. Pure."""

from __future__ import annotations

import enum
from typing import NamedTuple

from cdk_lambda_package.checks.import_resolution import Lack
from cdk_lambda_package.modules.facts import ImportStatement


class Runs(enum.IntEnum):
    """Whether a statement is executed when its module is imported."""

    NEVER = 0
    PERHAPS = 1
    ALWAYS = 2


class Ends(enum.IntEnum):
    """How an import ends."""

    WELL = 0
    UNKNOWN = 1
    IN_ERROR = 2


class Step(NamedTuple):
    """An import statement in its module: what it asks for in vain, and the paths of the user's modules that it runs."""

    statement: ImportStatement
    runs: Runs
    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]
