"""`invoke`: call a function on this machine, behind Lambda's emulator."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import UsageError
from cdk_lambda_package.invocation import invoke
from cdk_lambda_package.store import Store

EXAMPLES = (
    "invoke orders --runtime python3.13 --event event.json",
    "invoke orders --runtime python3.13 --environment TABLE=orders < event.json",
)

_TIMEOUT = 30.0
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB for a synchronous invocation.
_LARGEST_EVENT = 6 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    parser.add_argument(
        "--event", metavar="FILE", help="the event, a JSON document; - reads it from stdin (default: an empty object)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_TIMEOUT,
        metavar="SECONDS",
        help=f"the function's timeout (default: {_TIMEOUT:g})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the answer on stdout and the function's log on stderr; the status says whether the function failed.

    Raises the kinds of `PackageError`.
    """
    event = _read_event(arguments.event)
    with terminal_line() as progress:
        made = invoke(
            request_of(arguments),
            event,
            time_limit=arguments.timeout,
            store=Store.open(arguments.cache_dir),
            progress=progress,
            on_line=lambda line: print(line, file=sys.stderr),
        )
    if arguments.format == "json":
        print(json.dumps({"failed": made.failed, "answer": _as_json(made.answer)}, indent=2))
    else:
        print(made.answer.decode(errors="replace"))
    return FAILED if made.failed else 0


def _read_event(name: str | None) -> bytes:
    if name is None:
        return b"{}"
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        json.loads(content.decode(), parse_constant=_refuse_constant)
    except OSError as error:
        raise UsageError(f"--event: {name!r} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--event: {name!r} isn't a JSON document in UTF-8: {error}.") from error
    if len(content) > _LARGEST_EVENT:
        raise UsageError(f"--event: {name!r} has {len(content):,} bytes, and Lambda takes at most {_LARGEST_EVENT:,}.")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def _as_json(answer: bytes) -> object:
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace") or None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
    if not 0 < value <= 900:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of seconds above 0 and up to 900, such as 30")
    return value
