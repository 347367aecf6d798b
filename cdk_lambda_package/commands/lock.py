"""`lock`: a lock of an entry directory's requirements, for several targets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from cdk_lambda_package.commands import FAILED
from cdk_lambda_package.locking import make_lock, write_lock
from cdk_lambda_package.progress import Status
from cdk_lambda_package.request import PackageRequest
from cdk_lambda_package.resolvers import resolve_with
from cdk_lambda_package.store import Store


def lock(arguments: argparse.Namespace, requests: Sequence[PackageRequest]) -> int:
    """Write the lock, one request for each target, or with `--check` say whether it would change.

    Raises the kinds of `PackageError`.
    """
    store = Store.open(arguments.cache_dir)
    with Status() as status:
        made = make_lock(requests, output=arguments.output, upgrade=arguments.upgrade, store=store, resolve=resolve_with,
                         progress=status.update)  # fmt: skip
    if arguments.check and not made.current:
        print(f"error: {made.path} is out of date; run the same command without --check.", file=sys.stderr)
        return FAILED
    write_lock(made)
    what = {"path": str(made.path), "changed": not made.current, "packages": made.packages,
            "targets": [str(target) for target in made.targets]}  # fmt: skip
    text = f"{made.path}: {made.packages} packages for {', '.join(map(str, made.targets))}" + (
        ", unchanged" if made.current else ""
    )
    print(json.dumps(what, indent=2) if arguments.format == "json" else text)
    return 0
