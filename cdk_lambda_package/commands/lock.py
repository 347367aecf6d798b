"""`lock`: a lock of an entry directory's requirements, for several targets."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import count
from cdk_lambda_package.store import Store
from cdk_lambda_package.write_lock import make_lock, write_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, targets=True)
    parser.add_argument(
        "-o", "--output", type=Path, help="the lock to write (default: pylock.toml in the entry directory)"
    )
    parser.add_argument(
        "--upgrade", action="store_true", help="take the newest versions, not those of the existing lock"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the lock is out of date")


def run(arguments: argparse.Namespace) -> int:
    """Write the lock, one request for each target, or with `--check` say whether it would change.

    Raises the kinds of `PackageError`.
    """
    requests = [
        request_of(argparse.Namespace(**{**vars(arguments), "runtime": runtime, "architecture": architecture}))
        for runtime in arguments.runtime
        for architecture in arguments.architecture or ["x86_64"]
    ]
    store = Store.open(arguments.cache_dir)
    with terminal_line() as progress:
        made = make_lock(requests, output=arguments.output, upgrade=arguments.upgrade, store=store, progress=progress)
    if arguments.check and not made.current:
        state = "is out of date" if made.path.exists() else "doesn't exist"
        print(f"error: {made.path} {state}; run the same command without --check to write it.", file=sys.stderr)
        return FAILED
    write_lock(made)
    targets, changed = [str(target) for target in made.targets], not made.current
    if arguments.format == "json":
        what = {"path": str(made.path), "changed": changed, "packages": made.packages, "targets": targets}
        print(json.dumps(what, indent=2))
    else:
        unchanged = "" if changed else ", unchanged"
        print(f"{made.path}: {count(made.packages, 'package')} for {', '.join(targets)}{unchanged}")
    return 0
