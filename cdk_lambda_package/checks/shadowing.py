"""Modules that hide others of the same name."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding


def check_shadowing(contents: PackageContents) -> Iterator[Finding]:
    """Yield modules that hide others of the same name."""
    del contents
    yield from ()
