"""How findings are shown in CDK: errors as validation errors, warnings and some notes as annotations."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import Annotations
from constructs import Construct

from cdk_lambda_package.errors import Finding, Severity, excerpt

# Of the notes, only those that answer a request of the user's: CDK prints every annotation at each synthesis.
_SHOWN_NOTES = frozenset({"smoke-skipped"})


def annotate(scope: Construct, findings: Iterable[Finding], package_key: str, shown: set[tuple[str, str]]) -> None:
    """Show findings as warnings that can be acknowledged, and notes that were asked for; add them to `shown`.

    Findings that were shown for the same package in the same stack are left out. Another stack shows them again, since the
    CDK CLI shows the findings of the stacks that it is asked for.
    """
    new = [finding for finding in findings if (package_key, str(finding)) not in shown]
    shown.update((package_key, str(finding)) for finding in new)
    told = excerpt(one for one in new if one.severity is not Severity.NOTE or one.id in _SHOWN_NOTES)
    for finding in told.shown:
        text = str(finding).removesuffix(f" [{finding.id}]")
        if finding.severity is Severity.NOTE:
            # Not add_info_v2: the oldest supported aws-cdk-lib doesn't have it.
            Annotations.of(scope).add_info(text)
        else:
            # CDK appends how to acknowledge it, with the id.
            Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{finding.id}", text)
    for kind, text in told.more:
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{kind}", text)
