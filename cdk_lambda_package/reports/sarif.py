"""A report as SARIF 2.1.0, the format in which code hosts take what checks find. Pure.

The sections named here are those of the standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cdk_lambda_package.catalogue import Rule, find_rule
from cdk_lambda_package.errors import Finding
from cdk_lambda_package.reports.report import Report

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_TOOL = "cdk-lambda-package"
# The name by which code hosts know the root of the repository (§3.14.14).
_ROOT = "%SRCROOT%"

PageReader = Callable[[str], str | None]
"""Gives the page of a kind of finding, in Markdown, by its id."""


def describe_as_sarif(report: Report, *, root: Path, version: str, read_page: PageReader) -> dict[str, Any]:
    """Return a log with one run; paths in it are relative to `root`, where the code host has its files."""
    ids = tuple(dict.fromkeys(finding.id for finding in report.findings))
    driver = {"name": _TOOL, "version": version, "rules": [_describe_rule(name, read_page) for name in ids]}
    entry = _relative(report.request.entry_path, root) or report.request.entry_path.name
    run = {
        "tool": {"driver": driver},
        # What tells the runs for several functions and targets apart (§3.17.3); code hosts make categories of it.
        "automationDetails": {"id": f"{_TOOL}/{entry}/{report.target.runtime.name}/{report.target.architecture}/"},
        "invocations": [{"executionSuccessful": report.complete}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": _describe_results(report, ids, root),
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _describe_rule(finding_id: str, read_page: PageReader) -> dict[str, Any]:
    rule = find_rule(finding_id)
    if rule is None:
        return {"id": finding_id}
    # No helpUri: that is an absolute one (§3.49.12), and the page is where the library is. So its text comes along.
    page = read_page(finding_id)
    help_text = {"help": {"text": page, "markdown": page}} if page else {}
    return {
        "id": finding_id,
        "shortDescription": {"text": f"{rule.title}."},
        "defaultConfiguration": {"level": _level(rule)},
        **help_text,
    }


def _level(what: Rule | Finding) -> str:
    """Return the level (§3.27.10): our severities have its words."""
    return what.severity.value


def _describe_results(report: Report, ids: tuple[str, ...], root: Path) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results = []
    for finding in report.findings:
        alike = f"{finding.precise_id}\0{finding.path}"
        seen[alike] += 1
        results.append(
            {
                "ruleId": finding.id,
                "ruleIndex": ids.index(finding.id),
                "level": _level(finding),
                "message": {"text": finding.message},
                "locations": [_describe_location(report.find_anchor(finding), finding.line, root)],
                # Without the line and the message, so that it is the same one after an edit above it (§3.27.17).
                "partialFingerprints": {f"{_TOOL}/v1": _digest(f"{alike}\0{seen[alike]}")},
                # Empty says that it isn't suppressed; absent would say that nobody knows (§3.27.23).
                "suppressions": _describe_suppressions(finding, report),
            }
        )
    return results


def _describe_location(path: Path, line: int | None, root: Path) -> dict[str, Any]:
    relative = _relative(path, root)
    place = {"uri": path.as_uri()} if relative is None else {"uri": quote(relative), "uriBaseId": _ROOT}
    # Code hosts show nothing that has no line.
    return {"physicalLocation": {"artifactLocation": place, "region": {"startLine": line or 1}}}


def _describe_suppressions(finding: Finding, report: Report) -> list[dict[str, Any]]:
    if not report.is_acknowledged(finding):
        return []
    justification = next(
        text for text in (finding.precise_id, finding.id) if text in (report.request.packaging.acknowledge or ())
    )
    return [{"kind": "external", "status": "accepted", "justification": f"acknowledge: {justification}"}]


def _relative(path: Path, root: Path) -> str | None:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
