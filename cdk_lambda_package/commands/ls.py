"""`ls`: what is in a package, and in the layer of its dependencies."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cdk_lambda_package.commands.arguments import add_entry, add_layer, print_findings, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import count
from cdk_lambda_package.pipeline import package
from cdk_lambda_package.store import Store

EXAMPLES = (
    "ls orders --runtime python3.13",
    "ls orders --runtime python3.13 --format json",
)

_FIELDS = ("path", "size", "mode", "owner")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser)
    add_layer(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print each file with its size, mode and owner. Raises the kinds of `PackageError`."""
    request = request_of(arguments)
    with terminal_line() as progress:
        made = package(request, store=Store.open(arguments.cache_dir), progress=progress)
    print_findings(made.findings, request.entry_path)
    content = made.content
    own, shared = content["files"], content["layer"]["files"] if "layer" in content else ()
    if arguments.format == "json":
        rows = [{**_describe(file), "layer": False} for file in own]
        print(json.dumps([*rows, *({**_describe(file), "layer": True} for file in shared)], indent=2))
        return 0
    width = max(len(file["owner"]) for file in (*own, *shared))
    print("\n".join(_format(own, width)))
    if shared:
        print("\nIn the layer of its dependencies:")
        print("\n".join(_format(shared, width)))
    return 0


def _describe(file: Mapping[str, Any]) -> dict[str, Any]:
    return {name: file[name] for name in _FIELDS}


def _format(files: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    for file in files:
        yield f"{file['size']:>12,}  {file['mode']}  {file['owner']:<{width}}  {file['path']}"
    yield f"{sum(file['size'] for file in files):>12,}  {count(len(files), 'file')}"
