"""`check`: all that is found about a package, which isn't written."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, add_layer, check_single, planned_app, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import Severity
from cdk_lambda_package.reports import describe_as_sarif, describe_report, format_report, make_report
from cdk_lambda_package.store import Store

EXAMPLES = (
    "check orders --runtime python3.13",
    "check --app",
    "check --app --runtime python3.14",
    "check orders --runtime python3.13 --format sarif",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, app=True, formats=("text", "json", "sarif"))
    add_layer(parser)
    parser.add_argument(
        "--fail-on",
        choices=[severity.value for severity in Severity],
        default=Severity.ERROR.value,
        help="the severity from which the exit status is 1 (default: error)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the status says whether there is anything as severe as `--fail-on` that isn't acknowledged.

    Raises the kinds of `PackageError` for what can't be meant.
    """
    if arguments.app is not None:
        return _run_app(arguments)
    check_single(arguments)
    with terminal_line() as progress:
        report = make_report(request_of(arguments), Store.open(arguments.cache_dir), progress)
    if arguments.format == "json":
        print(json.dumps(describe_report(report), indent=2))
    elif arguments.format == "sarif":
        print(json.dumps(describe_as_sarif(report, root=_find_root(report.request.entry_path)), indent=2))
    else:
        print("\n".join(format_report(report)))
    return FAILED if report.reaches(Severity(arguments.fail_on)) else 0


def _run_app(arguments: argparse.Namespace) -> int:
    # Imported here: a single function needs nothing of it.
    from cdk_lambda_package.app_packages import examine_app, for_target
    from cdk_lambda_package.app_reports import (
        describe_app_as_sarif,
        describe_app_report,
        format_app_report,
        make_app_report,
    )

    with (
        terminal_line() as progress,
        planned_app(arguments, progress, accepted=("runtime", "architecture")) as plan,
    ):
        chosen = for_target(plan, runtime=arguments.runtime, architecture=arguments.architecture)
        report = make_app_report(chosen, examine_app(chosen, Store.open(arguments.cache_dir), progress))
    if arguments.format == "json":
        print(json.dumps(describe_app_report(report), indent=2))
    elif arguments.format == "sarif":
        for one in report.constructs:
            if one.error:
                print(f"error: {one.construct}: {one.error}", file=sys.stderr)
        print(json.dumps(describe_app_as_sarif(report, root=_find_root(Path.cwd())), indent=2))
    else:
        print("\n".join(format_app_report(report)))
    return FAILED if report.reaches(Severity(arguments.fail_on)) else 0


def _find_root(entry: Path) -> Path:
    """Return the repository's root, else the working directory or, if the entry directory isn't in it, that."""
    repository = next((folder for folder in (entry, *entry.parents) if (folder / ".git").exists()), None)
    working = Path.cwd()
    return repository or (working if entry.is_relative_to(working) else entry)
