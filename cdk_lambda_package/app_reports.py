"""Every finding about the functions of an app, equal ones once: as text, JSON and SARIF 2.1.0."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.app_plan import AppPlan, PlannedPackage
from cdk_lambda_package.errors import Finding, PackageError, Severity, count, describe_error, excerpt
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.pipeline import Examination
from cdk_lambda_package.reports import (
    Report,
    describe_report,
    describe_several_as_sarif,
    format_counts,
    format_finding,
    place_of,
    report_on,
)

APP_REPORT_FORMAT = 1

# The names of functions that a line shows.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstructReport:
    """The reports about a construct: one, and for a layer one for each target; none with an `error`."""

    construct: str
    is_layer: bool
    reports: tuple[Report, ...]
    error: str = ""

    @property
    def fails(self) -> bool:
        """Whether it couldn't be packaged."""
        return bool(self.error) or any(report.reaches(Severity.ERROR) for report in self.reports)


@dataclass(frozen=True, kw_only=True, slots=True)
class AppReport:
    """The reports about an app, and the look-ups that had no answer in its context."""

    constructs: tuple[ConstructReport, ...]
    lookups: tuple[str, ...]

    def reaches(self, severity: Severity) -> bool:
        """Tell whether anything that isn't acknowledged is at least as severe."""
        return any(one.error or any(report.reaches(severity) for report in one.reports) for one in self.constructs)

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each severity, and of acknowledged ones, in all constructs."""
        total: Counter[str] = Counter({severity.value: 0 for severity in Severity})
        for one in self.constructs:
            total["error"] += bool(one.error)
            for report in one.reports:
                total.update(report.counts)
        return dict(total)


def make_app_report(
    plan: AppPlan, examined: Iterable[tuple[PlannedPackage, PackageRequest, Examination | PackageError]]
) -> AppReport:
    """Return every finding about the packages of an app, which were examined.

    Example:
        `make_app_report(plan, examine_app(plan, Store.open(), QUIET)).counts["error"]`
    """
    reports: defaultdict[str, list[Report]] = defaultdict(list)
    errors = {one.construct: one.error for one in plan.packages if one.error}
    for planned, request, result in examined:
        try:
            reports[planned.construct].append(report_on(request, result))
        except PackageError as error:
            errors[planned.construct] = describe_error(error)
    return AppReport(
        constructs=tuple(
            ConstructReport(
                construct=one.construct,
                is_layer=one.is_layer,
                reports=tuple(reports[one.construct]),
                error=errors.get(one.construct, ""),
            )
            for one in plan.packages
        ),
        lookups=plan.lookups,
    )


def describe_app_report(report: AppReport) -> dict[str, Any]:
    """Return a report as JSON; its schema is docs/reference/app-report.schema.json.

    Example:
        `json.dumps(describe_app_report(report))`
    """
    return {
        "format": APP_REPORT_FORMAT,
        "counts": report.counts,
        "lookups": list(report.lookups),
        "constructs": [
            {
                "path": one.construct,
                "kind": "layer" if one.is_layer else "function",
                **({"error": one.error} if one.error else {}),
                "reports": [describe_report(each) for each in one.reports],
            }
            for one in report.constructs
        ],
    }


def describe_app_as_sarif(report: AppReport, *, root: Path) -> dict[str, Any]:
    """Return a SARIF log with one run for each construct and target; paths in it are relative to `root`.

    Example:
        `describe_app_as_sarif(report, root=Path.cwd())["runs"]`
    """
    reports = [(one.construct, each) for one in report.constructs for each in one.reports]
    return describe_several_as_sarif(reports, root=root)


def format_app_report(report: AppReport) -> Iterator[str]:
    """Yield the lines of a report for a terminal: each finding once, with the functions that have it.

    Example:
        `for line in format_app_report(report): print(line)`
    """
    for one in report.constructs:
        if one.error:
            yield f"error {one.construct}"
            yield from (f"    {line}" for line in one.error.splitlines())
            yield ""
    yield from _format_findings(report)
    failing = [one.construct for one in report.constructs if one.fails]
    targets = ", ".join(sorted({str(each.target) for one in report.constructs for each in one.reports}))
    everything = _count_constructs(report.constructs)
    if failing:
        yield f"{len(failing)} of {everything} can't be packaged for {targets or 'Lambda'}:"
        yield from (f"    {name}" for name in failing)
    else:
        yield f"{everything} can be packaged for {targets}."
    yield format_counts(report.counts)
    if any(each.findings for one in report.constructs for each in one.reports):
        yield "To see what a finding means and how to fix it: cdk-lambda-package findings ID"


def _format_findings(report: AppReport) -> Iterator[str]:
    has: defaultdict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    findings: dict[tuple[str, str, str, bool], Finding] = {}
    for one in report.constructs:
        for each in one.reports:
            for finding in each.findings:
                key = (finding.id, place_of(finding, each), finding.message, each.is_acknowledged(finding))
                findings.setdefault(key, finding)
                has[key].append(one.construct)
    told, order = excerpt(findings.values()), list(Severity)
    for key, finding in sorted(findings.items(), key=lambda item: (order.index(item[1].severity), item[0])):
        if finding in told.shown:
            yield from format_finding(finding, place=key[1], acknowledged=key[3])
            yield f"    {_format_constructs(has[key])}"
            yield ""
    yield from (text for _, text in told.more)


def _count_constructs(constructs: Sequence[ConstructReport]) -> str:
    layers = sum(one.is_layer for one in constructs)
    functions = len(constructs) - layers
    return " and ".join(count(number, noun) for number, noun in ((functions, "function"), (layers, "layer")) if number)


def _format_constructs(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    shown, rest = distinct[:_SHOWN], len(distinct) - _SHOWN
    return f"in {', '.join(shown)}" + (f" and {rest:,} more" if rest > 0 else "")
