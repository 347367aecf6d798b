"""`ls`: what is in a package."""

from __future__ import annotations

import argparse
import json

from cdk_lambda_package.commands.arguments import add_entry, print_findings, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print each file with its size, mode and owner. Raises the kinds of `PackageError`."""
    request = request_of(arguments)
    with terminal_line() as progress:
        made = package(request, store=Store.open(arguments.cache_dir), progress=progress)
    print_findings(made.findings, request.entry_path)
    names = ("path", "size", "mode", "owner")
    rows = [{name: file[name] for name in names} for file in made.manifest["files"]]
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
        return 0
    width = max(len(row["owner"]) for row in rows)
    for row in rows:
        print(f"{row['size']:>12,}  {row['mode']}  {row['owner']:<{width}}  {row['path']}")
    print(f"{made.size:>12,}  {made.files:,} files")
    return 0
