"""The command line: `cdk-lambda-package COMMAND`.

A command is one module in `commands` and one line in `COMMANDS`. The module has `add_arguments(parser)` and
`run(arguments)`, and is imported when its command is called.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.errors import PackageError, TargetError, UsageError, describe_error
from cdk_lambda_package.failures import reported
from cdk_lambda_package.processes import ending_by_signals
from cdk_lambda_package.streams import forgiving_streams

PROGRAM = "cdk-lambda-package"

GROUPS = {
    "Package": {
        "build": "make the deployment package of an entry directory",
        "lock": "write a lock (pylock.toml) of an entry directory's requirements",
        "invoke": "call a function on this machine, behind Lambda's emulator",
    },
    "Look into a package": {
        "check": "show everything that would fail on Lambda, or that you should know",
        "explain": "show why a distribution or a file is in a package, and in this version",
        "imports": "show what a function loads at start, by distribution and module, and check budgets",
        "ls": "show the files of a package, with sizes and owners",
        "diff": "show what changed between two packages, manifests or commits",
        "verify": "compare a .zip file archive with the package that an entry directory gives",
    },
    "Look things up": {
        "config": "show the value of each packaging option, and what sets it",
        "findings": "list all kinds of findings, or show the page of one",
    },
    "Set up": {
        "cache": "show, clear, prune or verify the store of wheels, segments and resolutions",
        "completion": "print the completion script of a shell",
    },
}
"""The commands with their descriptions, in the groups of the help."""

COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}

EXAMPLES = (
    ("build orders --runtime python3.13 --output orders.zip", "make a deployment package"),
    ("check --app", "check all functions of the CDK app in this directory"),
    ("lock --app", "lock the requirements of all of them"),
    ("explain orders urllib3 --runtime python3.13", "show why urllib3 is in a package"),
    ("invoke orders --runtime python3.13 --event event.json", "call a function here"),
)

# The status that shells report for a process that SIGINT ended.
INTERRUPTED = 130

EXIT_STATUSES = {
    "0": "success",
    str(FAILED): "the work failed, or found errors, differences or exceeded budgets",
    "2": "the command line is wrong",
    str(INTERRUPTED): "interrupted by Ctrl-C; 128 and its number for another signal",
}
"""The exit statuses of all commands, with their meanings."""


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
    command = import_module(f"cdk_lambda_package.commands.{chosen.command}")
    parser = command_parser(chosen.command, command)
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


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return FAILED


def command_parser(name: str, command: ModuleType | None = None) -> argparse.ArgumentParser:
    """Return the parser of a command; `command` is its module, if it is imported.

    Example:
        `command_parser("build").format_usage()`
    """
    module = command or import_module(f"cdk_lambda_package.commands.{name}")
    text = COMMANDS[name]
    lines = "\n".join(f"  {PROGRAM} {example}" for example in module.EXAMPLES)
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    # Not all options, which are several dozens: the help has them in their groups.
    parser.usage = " ".join(["%(prog)s", *_operands(parser), "[options]"])
    return parser


def _operands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield what a command line of a command needs: its operands, then the options that are required."""
    # argparse has no other way to list them.
    actions = sorted(parser._actions, key=lambda action: bool(action.option_strings))  # noqa: SLF001
    for action in actions:
        name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        if not action.option_strings:
            yield f"[{name}]" if action.nargs == "?" else name
        elif action.required:
            yield f"{action.option_strings[-1]} {name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Package Python for AWS Lambda: no Docker, any host, right for the target.",
        epilog="\n".join(_help()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = parser.add_mutually_exclusive_group(required=True)
    version.add_argument("--version", action="store_true", help="show the version and exit")
    version.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _help() -> Iterator[str]:
    """Yield the lines that follow the arguments: the commands in their groups, examples, and exit statuses."""
    for title, commands in GROUPS.items():
        yield f"{title}:"
        yield from (f"  {name:<10} {text}" for name, text in commands.items())
        yield ""
    yield "Examples:"
    width = max(len(example) for example, _ in EXAMPLES)
    yield from (f"  {PROGRAM} {example:<{width}}  {text}" for example, text in EXAMPLES)
    yield ""
    yield "Exit statuses:"
    yield from (f"  {status:<10} {text}" for status, text in EXIT_STATUSES.items())
    yield ""
    yield f"`{PROGRAM} COMMAND --help` shows the options and examples of a command."
