"""`cache`: what the store holds; clearing, pruning and verifying it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_common
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import OptionError, OutputError
from cdk_lambda_package.splicing import SegmentError, read_segment
from cdk_lambda_package.store import Store
from cdk_lambda_package.store_upkeep import parse_age, parse_size, prune, size_limit, verify

EXAMPLES = (
    "cache info",
    "cache prune --max-size 2GB --older-than 30d",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "action",
        choices=("info", "clear", "prune", "verify"),
        help="show what the store holds; remove all of it; remove what was least recently used; read every file, and remove "
        "damaged ones",
    )
    parser.add_argument("--max-size", metavar="SIZE", help="prune: the size to get down to, such as 2GB")
    parser.add_argument(
        "--older-than", metavar="AGE", help="prune: remove what wasn't used for so long, such as 12h, 30d or 8w"
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say; raises `OutputError` where the store can't be changed, and `OptionError`."""
    if arguments.action != "prune" and (arguments.max_size or arguments.older_than):
        raise OptionError("--max-size and --older-than are for `cache prune`: leave them out.")
    store = Store.open(arguments.cache_dir)
    if arguments.action == "verify":
        with terminal_line() as progress, progress.step("reading every file of the store"):
            return _verify(store, as_json=arguments.format == "json")
    if arguments.action == "prune":
        with terminal_line() as progress, progress.step("pruning the store"):
            return _prune(store, arguments)
    if arguments.action == "clear":
        store.clear()
    sizes = store.sizes()
    if arguments.action == "clear" and sizes:
        _require_writable(store, "cleared")
    if arguments.format == "json":
        kinds = {kind: {"files": files, "bytes": size} for kind, (files, size) in sizes.items()}
        print(json.dumps({"directory": str(store.root), "kinds": kinds}, indent=2))
        return 0
    print(store.root)
    for kind, (files, size) in sizes.items():
        print(f"  {kind:<12} {files:>8,} files {size:>15,} bytes")
    return 0


def _prune(store: Store, arguments: argparse.Namespace) -> int:
    max_size = parse_size(arguments.max_size, "--max-size") if arguments.max_size else None
    age = parse_age(arguments.older_than, "--older-than") if arguments.older_than else None
    if max_size is None and age is None:
        max_size = size_limit()
    _require_writable(store, "pruned")
    with terminal_line() as progress, progress.step("pruning the store"):
        done = prune(store, max_size=max_size, older_than=age)
    if arguments.format == "json":
        report = {"directory": str(store.root), "files": done.files, "bytes": done.removed, "left": done.left}
        print(json.dumps(report, indent=2))
    else:
        print(f"{done.files:,} files with {done.removed:,} bytes removed, {done.left:,} bytes left in {store.root}")
    return 0


def _verify(store: Store, *, as_json: bool) -> int:
    with terminal_line() as progress, progress.step("reading every file of the store"):
        damaged = verify(store, _is_segment)
    if as_json:
        rows: list[dict[str, Any]] = [{"path": damage.path, "fault": damage.fault} for damage in damaged]
        print(json.dumps({"directory": str(store.root), "damaged": rows}, indent=2))
    else:
        for damage in damaged:
            print(f"{damage.path} {damage.fault}")
        print(f"{store.root}: {f'{len(damaged)} damaged' if damaged else 'nothing is damaged'}")
    return FAILED if damaged else 0


def _is_segment(path: Path) -> bool:
    try:
        read_segment(path, verify=True)
    except SegmentError:
        return False
    return True


def _require_writable(store: Store, what: str) -> None:
    if store.read_only:
        raise OutputError(f"{str(store.root)!r} can't be {what}: it can't be written to. Change its permissions.")
