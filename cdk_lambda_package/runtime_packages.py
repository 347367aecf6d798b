"""What Lambda's Python runtimes bring along besides the standard library, had from an index where it is needed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdk_lambda_package.options import PackageRequest, Packaging
from cdk_lambda_package.planning import Progress, find_resolution, read_requested_app
from cdk_lambda_package.splicing.archive import write_tree
from cdk_lambda_package.stages import join_inputs, lay_out
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html: boto3 with what it needs, and the runtime's client.
_REQUIREMENTS: Mapping[str, str] = {
    **dict.fromkeys(("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"), "boto3"),
    "awslambdaric": "awslambdaric",
    "snapshot_restore_py": "snapshot-restore-py",
}


def find_runtime_requirements(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Return what has to be had for modules of the runtime's own; nothing for others."""
    names = (module.partition(".")[0] for module in modules)
    return tuple(sorted({_REQUIREMENTS[name] for name in names if name in _REQUIREMENTS}))


def unpack_runtime_packages(
    requirements: tuple[str, ...], asked: PackageRequest, workspace: Path, *, store: Store, progress: Progress
) -> Path:
    """Unpack the newest releases for the target below `workspace`, by the resolver and index of the function's request.

    AWS says neither which releases a runtime has at the moment, nor keeps them. Raises the kinds of `PackageError`.
    """
    entry, unpacked = workspace / "runtime-requirements", workspace / "runtime"
    for folder in (entry, unpacked):
        folder.mkdir()
    (entry / "app.py").touch()
    (entry / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    request = PackageRequest(
        entry=entry,
        runtime=asked.runtime,
        architecture=asked.architecture,
        packaging=Packaging(
            pip_args=asked.packaging.pip_args, pip_environment=asked.packaging.pip_environment, allow_build=False
        ),
    )
    target = Target.parse(asked.runtime, asked.architecture)
    app = read_requested_app(request, request.entry_path, store)
    inputs = join_inputs(request, target, app, find_resolution(request, app, target, store, progress))
    write_tree(lay_out(inputs, store, progress).splices, unpacked)
    return unpacked
