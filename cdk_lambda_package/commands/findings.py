"""`findings`: what there is to be found, and the page of each kind."""

from __future__ import annotations

import argparse
import json

from cdk_lambda_package.catalogue import read_page, rules
from cdk_lambda_package.commands.arguments import add_format
from cdk_lambda_package.errors import PackageError

EXAMPLES = (
    "findings",
    "findings import-not-found",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("id", nargs="?", metavar="ID", help="the id of a finding")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """List all kinds, or print the page of one. Raises `PackageError` for an id that there isn't."""
    if arguments.id is not None:
        # Reports show the id with what it is about.
        finding_id = arguments.id.partition(":")[0]
        page = read_page(finding_id)
        if page is None:
            raise PackageError(f"No finding has the id {finding_id!r}. `cdk-lambda-package findings` lists all ids.")
        print(page.rstrip())
    elif arguments.format == "json":
        print(json.dumps([rule._asdict() for rule in rules()], indent=2))
    else:
        for rule in rules():
            print(f"{rule.severity:<8} {rule.id:<30} {rule.title}")
    return 0
