"""Modules and names that are imported and aren't there."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding


def check_imports(contents: PackageContents) -> Iterator[Finding]:
    """Yield modules and names that are imported and aren't there."""
    del contents
    yield from ()
