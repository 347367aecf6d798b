"""The function that Lambda calls."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding


def check_handler(contents: PackageContents) -> Iterator[Finding]:
    """Yield the function that Lambda calls."""
    del contents
    yield from ()
