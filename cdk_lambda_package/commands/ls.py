"""`ls`: what is in a package, of a directory or of a .zip file archive that exists."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cdk_lambda_package.commands.notices import print_findings
from cdk_lambda_package.errors import PackageError
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.progress import Status
from cdk_lambda_package.reports import zip_report
from cdk_lambda_package.reports.zip_report import Row
from cdk_lambda_package.request import PackageRequest
from cdk_lambda_package.store import Store


def ls(arguments: argparse.Namespace, request: PackageRequest | None) -> int:
    """Print each file with its size, mode and owner; a directory's package needs a request.

    Raises the kinds of `PackageError`.
    """
    rows = _find_rows(arguments, request)
    if arguments.format == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        print("\n".join(zip_report.format_rows(rows)))
    return 0


def _find_rows(arguments: argparse.Namespace, request: PackageRequest | None) -> list[Row]:
    entry = Path(arguments.entry)
    if entry.is_file():
        return zip_report.read_rows(entry)
    if not entry.exists():
        raise PackageError(f"{arguments.entry!r} doesn't exist; give an entry directory or a .zip file archive.")
    if request is None:
        raise PackageError("--runtime is missing: to list the package of a directory, say for which runtime, such as "
                           "python3.13.")  # fmt: skip
    with Status() as status:
        made = package(request, store=Store.open(arguments.cache_dir), progress=status.update)
    print_findings(made.findings)
    return zip_report.rows_of(made.manifest)
