"""What somebody knows and accepts: all findings of an id, or by `id:subject` a certain one. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from cdk_lambda_package.checks.catalogue import BY_ID
from cdk_lambda_package.errors import Finding, OptionError, Severity

# What CDK puts before the ids in its annotations, from where somebody may copy them.
_CDK_PREFIX = re.compile(r"^(Annotation::)?cdk-lambda-package:")


def check_acknowledgements(acknowledge: Iterable[str]) -> None:
    """Raise `OptionError` for one that acknowledges nothing that there is, naming the nearest ids."""
    for text in acknowledge:
        finding_id, separator, subject = _CDK_PREFIX.sub("", text).partition(":")
        rule = BY_ID.get(finding_id)
        if rule is None or _CDK_PREFIX.match(text):
            raise OptionError(f"acknowledge has {text!r}, and no finding has that id; {_suggest(finding_id)}.")
        if separator and not subject:
            raise OptionError(
                f"acknowledge has {text!r}; name what it is about behind the colon, or leave the colon out."
            )
        if not rule.acknowledgeable:
            raise OptionError(
                f"acknowledge has {text!r}, but there is no package as long as that is found: {rule.title}."
            )


def find_idle(acknowledge: Iterable[str], findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return a note for each acknowledgement that none of the findings needs."""
    needed = {name for finding in findings for name in (finding.id, finding.precise_id)}
    return tuple(
        Finding(
            id="acknowledged-nothing",
            severity=Severity.NOTE,
            message=f"{text!r} is acknowledged, and nothing of that kind was found. Remove it, so that it hides nothing later.",
            subject=text,
        )
        for text in dict.fromkeys(acknowledge)
        if text not in needed
    )


def _suggest(finding_id: str) -> str:
    near = difflib.get_close_matches(finding_id, BY_ID, n=3, cutoff=0.5)
    return f"the nearest are {', '.join(near)}" if near else "`cdk-lambda-package findings` lists all ids"
