"""`ls`: what is in a package, of a directory or of a .zip file archive that exists."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cdk_lambda_package.commands.arguments import add_entry, print_findings, request_of
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.progress import Status
from cdk_lambda_package.reports import Row, format_rows, read_rows, rows_of
from cdk_lambda_package.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Print each file with its size, mode and owner; a directory's package needs a request.

    Raises the kinds of `PackageError`.
    """
    rows = _rows(arguments)
    if arguments.format == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        print("\n".join(format_rows(rows)))
    return 0


def _rows(arguments: argparse.Namespace) -> list[Row]:
    entry = Path(arguments.entry)
    if entry.is_file():
        return read_rows(entry)
    if not entry.exists():
        raise PackageError(f"{arguments.entry!r} doesn't exist; give an entry directory or a .zip file archive.")
    if arguments.runtime is None:
        raise PackageError("--runtime is missing: to list the package of a directory, say for which runtime, such as "
                           "python3.13.")  # fmt: skip
    with Status() as status:
        made = package(request_of(arguments), store=Store.open(arguments.cache_dir), progress=status.update)
    print_findings(made.findings)
    return rows_of(made.manifest)
