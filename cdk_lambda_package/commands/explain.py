"""`explain`: why a distribution or a file is in a package, and in this version."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands.arguments import add_entry, add_layer, request_of, require_runtime, warn_of_errors
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import printable
from cdk_lambda_package.explanations import explain, format_explanation
from cdk_lambda_package.manifest import read_manifest
from cdk_lambda_package.pipeline import describe
from cdk_lambda_package.store import Store

EXAMPLES = (
    "explain orders urllib3 --runtime python3.13",
    "explain orders numpy/core/_multiarray_umath.so --runtime python3.13",
    "explain orders.manifest.json urllib3",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    operands = {
        "entry": "the app's directory, or the manifest of a package (JSON), which needs no --runtime",
        "subject": "a distribution, or the path of a file or folder in the package",
    }
    add_entry(parser, operands=operands)
    add_layer(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation. Raises the kinds of `PackageError`."""
    found = explain(_manifest_of(arguments), arguments.subject)
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(map(printable, format_explanation(found))))
    return 0


def _manifest_of(arguments: argparse.Namespace) -> dict[str, Any]:
    if Path(arguments.entry).is_file():
        return read_manifest(Path(arguments.entry))
    require_runtime(arguments)
    with terminal_line() as progress:
        manifest, inspected = describe(request_of(arguments), Store.open(arguments.cache_dir), progress)
    warn_of_errors(inspected, arguments.entry)
    return manifest
