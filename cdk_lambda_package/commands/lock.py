"""`lock`: a lock of an entry directory's requirements, for several targets."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.commands.arguments import add_entry, check_single, planned_app, request_of
from cdk_lambda_package.displays import terminal_line
from cdk_lambda_package.errors import UsageError, count
from cdk_lambda_package.locations import show_path
from cdk_lambda_package.store import Store
from cdk_lambda_package.write_lock import Locked, Upgrade, make_lock, write_locks

EXAMPLES = (
    "lock orders --runtime python3.13",
    "lock --app",
    "lock --app --upgrade=boto3",
    "lock --app --check",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_entry(parser, targets=True, app=True)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="the lock to write (default: pylock.toml beside requirements.txt, pylock.NAME.toml beside NAME.txt)",
    )
    parser.add_argument(
        "--upgrade",
        action="append",
        nargs="?",
        metavar="NAME",
        help="take the newest versions, not those of the existing lock; with =NAME of this distribution alone (repeatable)",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the lock is out of date")


def run(arguments: argparse.Namespace) -> int:
    """Write the lock, one request for each target, or with `--check` say whether it would change.

    Raises the kinds of `PackageError`.
    """
    if arguments.app is not None:
        return _run_app(arguments)
    if arguments.entry is None and arguments.upgrade:
        raise UsageError(
            "there is no entry directory. Write it before --upgrade, and a distribution as --upgrade=NAME."
        )
    check_single(arguments)
    requests = [
        request_of(argparse.Namespace(**{**vars(arguments), "runtime": runtime, "architecture": architecture}))
        for runtime in arguments.runtime
        for architecture in arguments.architecture or ["x86_64"]
    ]
    store = Store.open(arguments.cache_dir)
    with terminal_line() as progress:
        upgrade = Upgrade.of(arguments.upgrade or ())
        made = make_lock(requests, output=arguments.output, upgrade=upgrade, store=store, progress=progress)
    upgrade.check([made])
    if arguments.check and not made.current:
        _print_outdated(made)
        return FAILED
    write_locks([made])
    if arguments.format == "json":
        print(json.dumps(_describe(made), indent=2))
    else:
        print(_format(made))
    return 0


def _run_app(arguments: argparse.Namespace) -> int:
    """Write the locks of all functions of an app, all or none."""
    # Imported here: a single lock needs nothing of it.
    from cdk_lambda_package.app_locks import make_app_locks

    if arguments.output is not None:
        raise UsageError("--output names one lock, and --app writes one beside each requirements file. Leave it out.")
    store, upgrade = Store.open(arguments.cache_dir), Upgrade.of(arguments.upgrade or ())
    with terminal_line() as progress, planned_app(arguments, progress) as plan:
        made = make_app_locks(plan, upgrade=upgrade, store=store, progress=progress)
    outdated = [one.lock for one in made.locks if not one.lock.current]
    if arguments.check and outdated:
        for lock in outdated:
            _print_outdated(lock)
        return FAILED
    write_locks(one.lock for one in made.locks)
    if arguments.format == "json":
        locks = [{**_describe(one.lock), "constructs": list(one.constructs)} for one in made.locks]
        print(json.dumps({"locks": locks, "without": made.left_out}, indent=2))
        return 0
    for one in made.locks:
        print(f"{_format(one.lock)}, of {count(len(one.constructs), 'construct')}")
    for construct, reason in made.left_out.items():
        print(f"{construct}: no lock is written: {reason}")
    return 0


def _print_outdated(lock: Locked) -> None:
    state = "is out of date" if lock.path.exists() else "doesn't exist"
    print(f"error: {show_path(lock.path)} {state}; run the same command without --check to write it.", file=sys.stderr)


def _describe(lock: Locked) -> dict[str, Any]:
    targets = [str(target) for target in lock.targets]
    return {"path": str(lock.path), "changed": not lock.current, "packages": lock.packages, "targets": targets}


def _format(lock: Locked) -> str:
    targets = ", ".join(map(str, lock.targets))
    unchanged = ", unchanged" if lock.current else ""
    return f"{show_path(lock.path)}: {count(lock.packages, 'package')} for {targets}{unchanged}"
