"""How findings are shown in CDK: errors as validation errors, warnings and some notes as annotations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aws_cdk import Annotations
from constructs import Construct

from cdk_lambda_package.errors import Finding, Severity, excerpt
from cdk_lambda_package.locations import name_places
from cdk_lambda_package.requirements import LOCK_APP, NOT_LOCKED

# Of the notes, only those that answer a request of the user's: CDK prints every annotation at each synthesis.
_SHOWN_NOTES = frozenset({"bytecode-skipped", "smoke-skipped", "smoke-unproven"})


def describe_unlocked(count: int) -> str:
    """Return the line about so many functions with requirements that aren't locked."""
    some = "One function has" if count == 1 else f"{count} functions have"
    return (
        f"{some} requirements that aren't pinned by hashes, so a later synth may package other versions. Write locks for the whole app "
        f"with `{LOCK_APP}`. [{NOT_LOCKED}]"
    )


def annotate(
    scope: Construct, findings: Iterable[Finding], package_key: str, shown: set[tuple[str, str]], *, entry: Path
) -> None:
    """Show findings as warnings that can be acknowledged, and notes that were asked for; add them to `shown`.

    Findings that were shown for the same package in the same stack are left out. Another stack shows them again, since the
    CDK CLI shows the findings of the stacks that it is asked for. Files of the `entry` directory are named from the working one.
    """
    new = [finding for finding in findings if (package_key, str(finding)) not in shown]
    shown.update((package_key, str(finding)) for finding in new)
    told = excerpt(one for one in new if one.severity is not Severity.NOTE or one.id in _SHOWN_NOTES)
    for finding in told.shown:
        text = name_places(str(finding), entry)
        if finding.severity is Severity.NOTE:
            # Not add_info_v2: the oldest supported aws-cdk-lib doesn't have it.
            Annotations.of(scope).add_info(text)
        else:
            # CDK appends how to acknowledge it, with the id.
            plain = text.removesuffix(f" [{finding.id}]")
            Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{finding.id}", plain)
    for kind, text in told.more:
        Annotations.of(scope).add_warning_v2(f"cdk-lambda-package:{kind}", text)
