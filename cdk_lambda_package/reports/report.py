"""Everything that is found about one package, for people and programs: also what stops it, and what is acknowledged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk_lambda_package.app_directory import REQUIREMENTS_FILE, VENDOR_FOLDER, choose_index
from cdk_lambda_package.catalogue import unused_acknowledgements
from cdk_lambda_package.errors import (
    CommandError,
    ContentError,
    EntryError,
    Finding,
    PackageError,
    RequirementsError,
    Severity,
    WheelError,
    excerpt,
)
from cdk_lambda_package.manifest import describe_finding, describe_target
from cdk_lambda_package.options import PackageRequest, with_environment
from cdk_lambda_package.pipeline import examine
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

REPORT_FORMAT = 1

# What is found before there is anything to check, by the kind of exception that stops all else.
_STOPPERS: tuple[tuple[type[PackageError], str], ...] = (
    (EntryError, "entry-not-usable"),
    (RequirementsError, "requirements-not-resolved"),
    (WheelError, "wheel-not-usable"),
    (CommandError, "command-failed"),
)
_ORDER = tuple(Severity)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found about the package of a request, the worst first.

    `complete` is False where something stopped the checks, so that more may be found once that is mended. `index` is
    the path of the handler's module, `handler` its name there, if it is known.
    """

    request: PackageRequest
    target: Target
    index: str
    handler: str | None
    complete: bool
    findings: tuple[Finding, ...]

    def is_acknowledged(self, finding: Finding) -> bool:
        """Tell whether somebody knows of a finding and accepts it."""
        return finding.is_among(self.request.packaging.acknowledge or ())

    def count(self, severity: Severity) -> int:
        """Return how many findings of a severity aren't acknowledged."""
        return sum(finding.severity is severity and not self.is_acknowledged(finding) for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Tell whether anything that isn't acknowledged is at least as severe."""
        return any(self.count(one) for one in _ORDER[: _ORDER.index(severity) + 1])

    def locate(self, finding: Finding) -> Path | None:
        """Return the user's own file that a finding is about, if it is about one."""
        if finding.path is None:
            return None
        places = (self.request.entry_path / folder / finding.path for folder in ("", VENDOR_FOLDER))
        return next((place for place in places if os.path.lexists(place)), None)

    def find_anchor(self, finding: Finding) -> Path:
        """Return the file in which somebody would look first: the one it is about, what requires it, or the module."""
        own = self.locate(finding)
        if own is not None:
            return own
        entry = self.request.entry_path
        requirements = entry / (self.request.packaging.requirements or REQUIREMENTS_FILE)
        return requirements if finding.path is not None and requirements.is_file() else entry / self.index


def make_report(request: PackageRequest, store: Store, progress: Progress) -> Report:
    """Find out all about the package of a request, and write nothing but to the store.

    Raises `OptionError` for what can't be meant.
    """
    # What is acknowledged for all functions at once needn't be found in each of them.
    own, request = request.packaging.acknowledge or (), with_environment(request, os.environ)
    target = Target.parse(request.runtime, request.architecture)
    index = choose_index(request.entry_path, request.handler_module)
    try:
        examined = examine(request, store, progress)
    except PackageError as error:
        stopper = next((name for kind, name in _STOPPERS if isinstance(error, kind)), None)
        if stopper is None:
            raise
        faults = error.faults if isinstance(error, ContentError) else (str(error),)
        stops = tuple(Finding(id=stopper, severity=Severity.ERROR, message=fault) for fault in faults)
        return Report(request=request, target=target, index=index, handler=None, complete=False, findings=stops)
    findings = (*examined.findings, *unused_acknowledgements(own, examined.findings))
    return Report(
        request=request,
        target=target,
        index=index,
        handler=examined.handler,
        complete=True,
        findings=tuple(sorted(findings, key=_rank)),
    )


def describe_report(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it; the schema is docs/reference/report.schema.json."""
    counts = {severity.value: report.count(severity) for severity in Severity}
    acknowledged = len(report.findings) - sum(counts.values())
    return {
        "format": REPORT_FORMAT,
        "entry": str(report.request.entry),
        "target": describe_target(report.target),
        "index": report.index,
        "handler": report.handler,
        "complete": report.complete,
        "counts": {**counts, "acknowledged": acknowledged},
        "findings": [_describe(finding, report) for finding in report.findings],
    }


def format_report(report: Report) -> Iterator[str]:
    """Yield the lines of a report for people."""
    # What is open isn't crowded out by what is known of.
    still_open = excerpt(finding for finding in report.findings if not report.is_acknowledged(finding))
    known = excerpt(filter(report.is_acknowledged, report.findings))
    for finding in sorted((*still_open.shown, *known.shown), key=_rank):
        label = f"acknowledged {finding.severity}" if report.is_acknowledged(finding) else finding.severity.value
        place = _format_place(finding, report)
        yield f"{label}[{finding.id}]{f' {place}' if place else ''}"
        yield from (f"    {line}" for line in finding.message.splitlines())
        yield ""
    for kind, count in (*still_open.more, *known.more):
        yield f"{count:,} more of {kind}; --format json lists them all"
    yield f"{report.request.entry}: {_format_counts(report)} for {report.target}"
    if not report.complete:
        yield "Nothing else could be checked."
    if report.findings:
        yield "What each means, and what can be done: cdk-lambda-package findings ID"


def _describe(finding: Finding, report: Report) -> dict[str, Any]:
    own = report.locate(finding)
    place = {"file": Path(os.path.relpath(own)).as_posix()} if own is not None else {}
    return {**describe_finding(finding), **place, "acknowledged": report.is_acknowledged(finding)}


def _format_place(finding: Finding, report: Report) -> str:
    own = report.locate(finding)
    shown = os.path.relpath(own) if own is not None else finding.path
    return f"{shown}:{finding.line}" if shown and finding.line else shown or ""


def _format_counts(report: Report) -> str:
    counts = [(report.count(severity), severity.value) for severity in Severity]
    told = [f"{number} {name}{'s' if number > 1 else ''}" for number, name in counts if number]
    acknowledged = len(report.findings) - sum(number for number, _ in counts)
    told += [f"{acknowledged} acknowledged"] if acknowledged else []
    return ", ".join(told) or "nothing found"


def _rank(finding: Finding) -> tuple[int, str, int]:
    return (_ORDER.index(finding.severity), finding.path or "", finding.line or 0)
