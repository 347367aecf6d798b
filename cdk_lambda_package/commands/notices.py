"""Findings on stderr, where they don't disturb what a program reads on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from cdk_lambda_package.errors import Finding


def print_findings(findings: Iterable[Finding]) -> None:
    """Print each finding with what it is: a warning or a note."""
    for finding in findings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
