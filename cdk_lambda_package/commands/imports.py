"""`imports`: what a function loads when it starts, by distribution and module, and what that costs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, request_of, warn_of_errors
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import PackageError, UsageError
from cdk_lambda_package.import_costs import (
    Budget,
    ImportCosts,
    describe_costs,
    format_costs,
    format_share,
    weigh_imports,
)
from cdk_lambda_package.inspection import measure
from cdk_lambda_package.pipeline import inspect
from cdk_lambda_package.store import Store

EXAMPLES = (
    "imports orders --runtime python3.13",
    "imports orders --runtime python3.13 --distribution boto3",
    "imports orders --runtime python3.13 --budget-modules 400",
)

_DEPTH = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    shown = parser.add_argument_group("Imports")
    shown.add_argument(
        "--depth",
        type=_amount(int),
        default=_DEPTH,
        help=f"how deep the tree of modules is shown; 0 for none (default: {_DEPTH})",
    )
    shown.add_argument(
        "--later",
        action="store_true",
        help="show the modules too that only functions import which nothing is known to call at start",
    )
    shown.add_argument("--distribution", metavar="NAME", help="show one distribution: its chain and its modules")
    shown.add_argument(
        "--measure",
        action="store_true",
        help="import the handler's module in the target's Python on this machine, and show the times",
    )
    for name, kind, text in (
        ("modules", int, "modules that are certainly loaded"),
        ("mb", float, "MB of their source (1,000,000 bytes)"),
        ("ms", float, "milliseconds of the measured import; needs --measure"),
    ):
        shown.add_argument(
            f"--budget-{name}",
            type=_amount(kind),
            metavar="N",
            help=f"the most {text}; with more, the exit status is 1 (default: no limit)",
        )


def run(arguments: argparse.Namespace) -> int:
    """Print what is loaded; the status says whether a budget is exceeded. Raises the kinds of `PackageError`."""
    limits = {
        name: limit for name in ("modules", "mb", "ms") if (limit := getattr(arguments, f"budget_{name}")) is not None
    }
    if "ms" in limits and not arguments.measure:
        raise UsageError("--budget-ms needs --measure: without it, no time is known")
    store = Store.open(arguments.cache_dir)
    with terminal_line() as progress:
        inspected = inspect(request_of(arguments), store, progress)
        if not inspected.contents.graph.steps:
            raise PackageError(f"{arguments.entry!r} has no handler's module, so nothing of it is loaded at start.")
        warn_of_errors(inspected, arguments.entry)
        times = measure(inspected, store, progress) if arguments.measure else ((), ())
        costs = weigh_imports(inspected.contents, *times)
    budgets = costs.budgets(limits)
    _print(costs, budgets, arguments)
    exceeded = [budget for budget in budgets if budget.exceeded]
    for budget in exceeded:
        print(f"error: {budget}", file=sys.stderr)
    return FAILED if exceeded else 0


def _print(costs: ImportCosts, budgets: tuple[Budget, ...], arguments: argparse.Namespace) -> None:
    share = costs.share_of(arguments.distribution) if arguments.distribution is not None else None
    if isinstance(share, str):
        raise PackageError(share)
    if arguments.format == "json":
        print(json.dumps(describe_costs(costs, entry=arguments.entry, budgets=budgets), indent=2))
    elif share is not None:
        print("\n".join(format_share(costs, share)))
    else:
        print("\n".join(format_costs(costs, depth=arguments.depth, later=arguments.later)))


def _amount(kind: type[int | float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not 0 <= value < math.inf:  # nor what isn't a number
            accepted = "a whole number from 0 on, such as 400" if kind is int else "a number from 0 on, such as 2.5"
            raise argparse.ArgumentTypeError(f"{text!r} isn't {accepted}")
        return value

    return read
