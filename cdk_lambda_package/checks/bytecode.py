"""Modules that are bytecode without a source, and that the target's Python can't load."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.target import magic_number


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield an error for each such module whose magic number is another Python's."""
    expected = magic_number(contents.target.runtime.version)
    for path, number in contents.bytecode.items():
        if expected not in (None, number) and _can_be_imported(path):
            runtime = contents.target.runtime.name
            yield Finding(
                id="bytecode-for-other-python",
                severity=Severity.ERROR,
                message=f"{contents.place(path)} is bytecode of another Python: its magic number is {number}, and {runtime} loads "
                f"{expected}. Package the source, or compile it with {runtime}.",
                path=contents.place(path),
                distribution=contents.distribution(path),
            )


def _can_be_imported(path: str) -> bool:
    return all(part.isidentifier() for part in path.removesuffix(".pyc").split("/"))
