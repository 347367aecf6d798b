"""The command line: `cdk-lambda-package COMMAND`.

A command is one module in `commands` and one line in `COMMANDS`. The module has `add_arguments(parser)` and
`run(arguments)`, and is imported when its command is called.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.errors import PackageError, TargetError, UsageError, describe_error
from cdk_lambda_package.failures import reported
from cdk_lambda_package.processes import ending_by_signals
from cdk_lambda_package.streams import forgiving_streams

PROGRAM = "cdk-lambda-package"

COMMANDS = {
    "build": "make the deployment package of an entry directory",
    "check": "show everything that would fail on Lambda, or that you should know",
    "config": "show the value of each packaging option, and what sets it",
    "findings": "list all kinds of findings, or show the page of one",
    "imports": "show what a function loads at start, by distribution and module, and check budgets",
    "lock": "write a lock (pylock.toml) of an entry directory's requirements",
    "ls": "show the files of a package, with sizes and owners",
    "verify": "compare a .zip file archive with the package that an entry directory gives",
    "cache": "show, clear, prune or verify the store of wheels, segments and resolutions",
}

# The status that shells report for a process that SIGINT ended.
INTERRUPTED = 130


def run() -> int:
    """Run the command line as a process of its own; return its exit status.

    Example:
        `python -m cdk_lambda_package --help`
    """
    # A command keeps what it reads to its end, and the collector would look at all of it again and again.
    gc.set_threshold(100_000)
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, or 1 with the reason on stderr.

    The status is that of the work: it doesn't matter if stderr is closed or full, or if the reader of stdout has gone.
    """
    with forgiving_streams():
        try:
            with reported("reading the arguments"):
                status = _run(argv)
                sys.stdout.flush()
                return status
        except PackageError as error:
            return _fail(describe_error(error))
        except KeyboardInterrupt:
            return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    chosen = _parser().parse_args(argv)
    if chosen.version:
        # Imported here: the import takes longer than the check of an unchanged package.
        from importlib.metadata import version

        print(version(PROGRAM))
        return 0
    command, parser = _command_of(chosen.command), command_parser(chosen.command)
    arguments = parser.parse_args(chosen.arguments)
    store = getattr(arguments, "cache_dir", None)
    try:
        with reported(f"running `{PROGRAM} {chosen.command}`", store=store), ending_by_signals():
            status: int = command.run(arguments)
            return status
    except (TargetError, UsageError) as error:
        # A value that a flag doesn't accept is wrong usage, as one that argparse refuses.
        parser.error(str(error))
    except PackageError as error:
        # Imported here: most runs succeed.
        from cdk_lambda_package.locations import name_places

        return _fail(name_places(describe_error(error), Path(getattr(arguments, "entry", None) or "")))


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command's arguments, from which the reference is made too.

    Example:
        `command_parser("build").parse_args(["orders", "--runtime=python3.13", "--output=orders.zip"])`
    """
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=f"{COMMANDS[name]}.")
    _command_of(name).add_arguments(parser)
    return parser


def _command_of(name: str) -> Any:
    return import_module(f"cdk_lambda_package.commands.{name}")


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Package Python for AWS Lambda: no Docker, any host, right for the target.",
        epilog=f"commands:\n{listing}\n\n`{PROGRAM} COMMAND --help` shows the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = parser.add_mutually_exclusive_group(required=True)
    version.add_argument("--version", action="store_true", help="show the version and exit")
    version.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
