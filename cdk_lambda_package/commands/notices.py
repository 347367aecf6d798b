"""Findings on stderr, where they don't disturb what a program reads on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from cdk_lambda_package.errors import Finding, excerpt


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings with what each is: a warning or a note."""
    told = excerpt(findings)
    for finding in told.shown:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    for name, count in told.more:
        print(f"{count:,} more of {name}: `cdk-lambda-package check --format json` lists them all.", file=sys.stderr)
