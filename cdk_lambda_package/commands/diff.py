"""`diff`: what changed between two packages."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from cdk_lambda_package.commands.arguments import add_entry, add_layer, request_of, require_runtime, warn_of_errors
from cdk_lambda_package.commits import checked_out, parse_commit
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import PackageError, UsageError, printable
from cdk_lambda_package.manifest import read_manifest
from cdk_lambda_package.package_diff import compare, format_diff, read_archive
from cdk_lambda_package.pipeline import describe
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import Store

EXAMPLES = (
    "diff main:orders orders --runtime python3.13",
    "diff old.manifest.json new.manifest.json",
    "diff deployed.zip orders.zip --files",
)

_ACCEPTED = "a manifest, a .zip file archive, an entry directory, or an entry directory of a commit as REVISION:DIRECTORY, such as main:orders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    operands = {"before": f"{_ACCEPTED}, from the root of the repository", "after": "the same"}
    add_entry(parser, operands=operands)
    add_layer(parser)
    parser.add_argument("--files", action="store_true", help="show the changed files of distributions, too")


def run(arguments: argparse.Namespace) -> int:
    """Print what changed; a difference is no failure. Raises the kinds of `PackageError`."""
    store = Store.open(arguments.cache_dir)
    with terminal_line() as progress:
        before, after = (_read(name, arguments, store, progress) for name in (arguments.before, arguments.after))
    found = compare(before, after, names=(arguments.before, arguments.after))
    if arguments.format == "json":
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(map(printable, format_diff(found, files=arguments.files))))
    return 0


def _read(operand: str, arguments: argparse.Namespace, store: Store, progress: Progress) -> dict[str, Any]:
    path = Path(operand)
    if path.is_file():
        return read_archive(path) if is_zipfile(path) or path.suffix == ".zip" else read_manifest(path)
    if path.is_dir():
        return _package(path, operand, arguments, store, progress)
    commit = parse_commit(operand)
    if commit is None:
        raise UsageError(f"{operand!r} doesn't exist. Accepted are {_ACCEPTED}.")
    with checked_out(commit, store, progress) as folder:
        entry = folder / commit.path
        if not entry.resolve().is_relative_to(folder.resolve()):
            raise PackageError(f"{operand!r} leads out of the commit, by a link. Name a directory that is in it.")
        if not entry.is_dir():
            raise PackageError(
                f"The commit {commit.revision} has no directory {commit.path!r}. The path begins at the repository's root."
            )
        return _package(entry, operand, arguments, store, progress)


def _package(
    entry: Path, operand: str, arguments: argparse.Namespace, store: Store, progress: Progress
) -> dict[str, Any]:
    require_runtime(arguments)
    request = request_of(argparse.Namespace(**{**vars(arguments), "entry": str(entry)}))
    manifest, inspected = describe(request, store, progress)
    warn_of_errors(inspected, operand)
    return manifest
