"""`cache`: what the store holds."""

from __future__ import annotations

import argparse
import json

from cdk_lambda_package.commands.arguments import add_common
from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=("info", "clear"), help="show what the store holds, or remove it all")
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what the store holds by kind, or clear it. Raises `OutputError` where that isn't possible."""
    store = Store.open(arguments.cache_dir)
    if arguments.action == "clear":
        store.clear()
    sizes = store.sizes()
    if arguments.action == "clear" and sizes and store.read_only:
        raise OutputError(f"{str(store.root)!r} can't be cleared: it can't be written to. Change its permissions.")
    if arguments.format == "json":
        kinds = {kind: {"files": files, "bytes": size} for kind, (files, size) in sizes.items()}
        print(json.dumps({"directory": str(store.root), "kinds": kinds}, indent=2))
        return 0
    print(store.root)
    for kind, (files, size) in sizes.items():
        print(f"  {kind:<12} {files:>8,} files {size:>15,} bytes")
    return 0
