"""The catalogue of findings: each id with its severity and title, read from the head of its page.

The pages are docs/reference/checks/<id>.md and come with the library. A page begins so:

    # import-not-found

    **Error**: An imported module isn't available on Lambda.

`**Error** (can't be acknowledged):` marks a finding that leaves no package, or none that Lambda could unpack. A new finding
needs its page and the code that reports it, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.errors import Finding, FindingsError, OptionError, Severity, nearest

_PACKAGE = Path(__file__).parent

FOLDERS = (_PACKAGE / "checks" / "pages", _PACKAGE.parent / "docs" / "reference" / "checks")
"""Where the pages are: in an installed library, and in a checkout of its repository."""

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_HEAD = re.compile(
    r"# (?P<id>\S+)\n\n\*\*(?P<severity>\w+)\*\*(?P<fixed> \(can't be acknowledged\))?: (?P<title>.+?)\.\n\n", re.S
)
# CDK writes these before the ids in its annotations, from where users may copy them.
_CDK_PREFIX = re.compile(r"^(Annotation::)?cdk-lambda-package:")


class Rule(NamedTuple):
    """A kind of finding. `severity` is that of its findings, or the highest where they differ.

    A finding that isn't `acknowledgeable` leaves no package, or none that Lambda could unpack.
    """

    id: str
    severity: Severity
    title: str
    acknowledgeable: bool = True


@cache
def rules() -> tuple[Rule, ...]:
    """Return every kind of finding, in order of their ids.

    Example:
        `[rule.id for rule in rules() if rule.severity is Severity.ERROR]`
    """
    ids = {path.stem for folder in FOLDERS for path in folder.glob("*.md") if _ID.fullmatch(path.stem)}
    return tuple(rule for finding_id in sorted(ids) if (rule := find_rule(finding_id)))


def find_rule(finding_id: str) -> Rule | None:
    """Return the kind of finding with this id; None for an unknown id.

    Example:
        `find_rule("import-not-found").title` is "An imported module isn't available on Lambda".
    """
    head = _HEAD.match(read_page(finding_id) or "")
    if head is None:
        return None
    title = " ".join(head["title"].split())
    return Rule(finding_id, Severity(head["severity"].lower()), title, acknowledgeable=head["fixed"] is None)


def read_page(finding_id: str) -> str | None:
    """Return the page of a kind of finding, in Markdown; None for an unknown id."""
    if not _ID.fullmatch(finding_id):
        return None
    paths = (folder / f"{finding_id}.md" for folder in FOLDERS)
    return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), None)


def check_acknowledgements(acknowledge: Iterable[str]) -> None:
    """Raise `OptionError` for an acknowledgement that can't match any finding, with the nearest ids.

    Example:
        `check_acknowledgements(["import-not-fond"])` raises "… the nearest are import-not-found."
    """
    for text in acknowledge:
        finding_id = _CDK_PREFIX.sub("", text).partition(":")[0]
        rule = find_rule(finding_id)
        if rule is None or _CDK_PREFIX.match(text):
            raise OptionError(f"acknowledge has {text!r}, and no finding has that id; {_suggest(finding_id)}.")
        if not rule.acknowledgeable:
            raise OptionError(
                f"acknowledge has {text!r}, which can't be acknowledged: such a finding leaves no package that Lambda "
                f"could unpack ({rule.title}). `cdk-lambda-package findings {rule.id}` says how to correct it."
            )


def raise_for_errors(findings: Iterable[Finding], *, acknowledge: Collection[str]) -> tuple[Finding, ...]:
    """Raise `FindingsError` with every unacknowledged error together; return the warnings and notes that remain.

    Example:
        `raise_for_errors(examined.findings, acknowledge=["import-not-found:yaml"])`
    """
    open_findings = [finding for finding in findings if not finding.is_among(acknowledge)]
    errors = [finding for finding in open_findings if finding.severity is Severity.ERROR]
    if errors:
        raise FindingsError(errors, acknowledgeable=next((one for one in errors if _is_acknowledgeable(one)), None))
    return tuple(open_findings)


def raise_for_unusable(findings: Iterable[Finding]) -> None:
    """Raise `FindingsError` with every finding that can't be acknowledged: no package can be made of such a tree.

    Example:
        `raise_for_unusable(tree.findings)` before the tree is unpacked.
    """
    unusable = [finding for finding in findings if not _is_acknowledgeable(finding)]
    if unusable:
        raise FindingsError(unusable)


def _is_acknowledgeable(finding: Finding) -> bool:
    rule = find_rule(finding.id)
    return rule is None or rule.acknowledgeable


def unused_acknowledgements(acknowledge: Iterable[str], findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return a note for each acknowledgement that matches none of the findings."""
    needed = {name for finding in findings for name in (finding.id, finding.precise_id)}
    return tuple(
        Finding(
            id="acknowledged-nothing",
            severity=Severity.NOTE,
            message=f"{text!r} is acknowledged, and no finding matches it. Remove it, so that it hides nothing later.",
            subject=text,
        )
        for text in dict.fromkeys(acknowledge)
        if text not in needed
    )


def _suggest(finding_id: str) -> str:
    near = nearest(finding_id, [rule.id for rule in rules()], most=3, cutoff=0.5)
    return f"the nearest are {', '.join(near)}" if near else "`cdk-lambda-package findings` lists all ids"
