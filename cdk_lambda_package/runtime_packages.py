"""What Lambda's Python runtimes bring along besides the standard library, had from an index where it is needed here."""

from __future__ import annotations

from pathlib import Path

from cdk_lambda_package.options import PackageRequest, Packaging
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.splicing import write_tree
from cdk_lambda_package.stages import find_resolution, join_inputs, lay_out, read_requested_app
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target


def unpack_runtime_packages(
    requirements: tuple[str, ...], asked: PackageRequest, workspace: Path, *, store: Store, progress: Progress
) -> Path:
    """Unpack the newest releases for the target below `workspace`, from the index of the function's request.

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
