"""Every finding about a package, with errors that stop the build and acknowledged findings: as text, JSON and SARIF 2.1.0.

SARIF is the format in which code hosts take the results of checks. The sections in comments are those of the standard:
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cdk_lambda_package.app_directory import REQUIREMENTS_FILE
from cdk_lambda_package.catalogue import find_rule, read_page, unused_acknowledgements
from cdk_lambda_package.errors import (
    ContentError,
    Finding,
    FindingsError,
    PackageError,
    RequirementsError,
    Severity,
    count,
    excerpt,
)
from cdk_lambda_package.locations import find_own_file, show_path
from cdk_lambda_package.manifest import describe_finding, describe_target, owner_of
from cdk_lambda_package.options import PackageRequest, read_entry_table, with_defaults
from cdk_lambda_package.pipeline import Examination, examine
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target

REPORT_FORMAT = 1

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_TOOL = "cdk-lambda-package"
# The name by which code hosts know the root of the repository (§3.14.14).
_ROOT = "%SRCROOT%"

_ORDER = tuple(Severity)
_ACCEPTED = {"kind": "external", "status": "accepted", "justification": "acknowledge"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The findings about the package of a request, the worst first.

    `complete` is False if an error stopped the checks, so that there may be more findings after its fix. `index` is the
    path of the handler's module, `handler` its name there, None if it is unknown. `distributions` are the packaged ones, as in
    "six==1.17.0"; None if they aren't known.
    """

    request: PackageRequest
    target: Target
    index: str
    handler: str | None
    complete: bool
    findings: tuple[Finding, ...]
    distributions: tuple[str, ...] | None = None

    @property
    def failing(self) -> tuple[str, ...]:
        """The packaged distributions whose own code certainly fails at import, sorted."""
        failing = {one.distribution for one in self.findings if one.severity is Severity.ERROR}
        return tuple(one for one in self.distributions or () if one in failing)

    def is_acknowledged(self, finding: Finding) -> bool:
        """Tell whether a finding is acknowledged."""
        return finding.is_among(self.request.packaging.acknowledge or ())

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each severity that aren't acknowledged, and of those that are."""
        names = ("acknowledged" if self.is_acknowledged(one) else one.severity.value for one in self.findings)
        return {**{severity.value: 0 for severity in Severity}, "acknowledged": 0, **Counter(names)}

    def reaches(self, severity: Severity) -> bool:
        """Tell whether anything that isn't acknowledged is at least as severe."""
        counts = self.counts
        return any(counts[one.value] for one in _ORDER[: _ORDER.index(severity) + 1])

    def locate(self, finding: Finding) -> Path | None:
        """Return the user's own file that a finding is about, None if it isn't about one."""
        if finding.path is None:
            return None
        return find_own_file(self.request.entry_path, finding.path)

    def anchor_of(self, finding: Finding) -> Path:
        """Return the file to show a finding in: the one it is about, the requirements file, or the handler's module."""
        own = self.locate(finding)
        if own is not None:
            return own
        entry = self.request.entry_path
        requirements = entry / (self.request.packaging.requirements or REQUIREMENTS_FILE)
        return requirements if finding.path is not None and requirements.is_file() else entry / self.index


def make_report(request: PackageRequest, store: Store, progress: Progress) -> Report:
    """Return every finding about the package of a request, and write nothing but to the store.

    Raises `OptionError` for invalid options.

    Example:
        `make_report(PackageRequest(entry="orders", runtime="python3.13"), Store.open(), print).counts["error"]`
    """
    completed = with_defaults(request)
    # What can't be meant is an error before anything is done.
    Target.parse(completed.runtime, completed.architecture)
    completed.own_module()
    try:
        result: Examination | PackageError = examine(completed, store, progress, beyond_lock=True)
    except PackageError as error:
        result = error
    return report_on(request, result)


def report_on(request: PackageRequest, result: Examination | PackageError) -> Report:
    """Return the report about a request whose package was examined, or that failed before it could be.

    Raises the error if it isn't about the content, such as `OptionError`.

    Example:
        `report_on(request, examine(request, store, beyond_lock=True))`
    """
    # An acknowledgement for many functions may be unused in some of them.
    table = read_entry_table(request.entry_path)
    own = (*(request.packaging.acknowledge or ()), *((table and table.packaging.acknowledge) or ()))
    request = with_defaults(request)
    target = Target.parse(request.runtime, request.architecture)
    index = request.own_module().index
    handler, complete, distributions = None, True, None
    found: tuple[Finding, ...]
    match result:
        case FindingsError():
            found, complete = result.findings, False
        case PackageError():
            if result.id is None:
                raise result
            faults = result.faults if isinstance(result, ContentError) else (str(result),)
            found = tuple(_as_finding(result.id, fault, request.entry_path) for fault in faults)
            complete = False
        case Examination():
            distributions = tuple(sorted(map(owner_of, result.inputs.wheels)))
            handler, found = result.review.handler, (*result.findings, *unused_acknowledgements(own, result.findings))
    findings = tuple(sorted(found, key=_rank))
    return Report(
        request=request,
        target=target,
        index=index,
        handler=handler,
        complete=complete,
        findings=findings,
        distributions=distributions,
    )


# How an error names a line of a file, if it is about one, and the first of several problems.
_PLACE = re.compile(r"(?:.*:\n  - )?([^\s:]+):(\d+): ")


def _as_finding(name: str, fault: str, entry: Path) -> Finding:
    """Return an error that leaves no package as a finding, at the line of the entry directory's file that it names."""
    place = _PLACE.match(fault)
    if place is None or not os.path.isfile(entry / place[1]):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        return Finding(id=name, severity=Severity.ERROR, message=fault)
    # Where there is one problem, the place is said apart from the message.
    message = fault if "\n  - " in place[0] else fault[place.end() :]
    return Finding(id=name, severity=Severity.ERROR, message=message, path=place[1], line=int(place[2]))


def describe_report(report: Report) -> dict[str, Any]:
    """Return a report as JSON; its schema is docs/reference/report.schema.json.

    Example:
        `json.dumps(describe_report(report))`
    """
    return {
        "format": REPORT_FORMAT,
        "entry": str(report.request.entry),
        "target": describe_target(report.target),
        "index": report.index,
        "handler": report.handler,
        "complete": report.complete,
        "counts": report.counts,
        "distributions": _describe_distributions(report),
        "findings": [_describe(finding, report) for finding in report.findings],
    }


def format_report(report: Report) -> Iterator[str]:
    """Yield the lines of a report for a terminal.

    Example:
        `for line in format_report(report): print(line)`
    """
    if summary := _summarise(report):
        yield summary
        yield ""
    # Two excerpts, so that acknowledged findings don't displace open ones.
    still_open = excerpt(finding for finding in report.findings if not report.is_acknowledged(finding))
    known = excerpt(filter(report.is_acknowledged, report.findings))
    for finding in sorted((*still_open.shown, *known.shown), key=_rank):
        known_one = report.is_acknowledged(finding)
        yield from format_finding(finding, place=place_of(finding, report), acknowledged=known_one)
        yield ""
    yield from (text for _, text in (*still_open.more, *known.more))
    yield f"{report.request.entry}: {format_counts(report.counts)} for {report.target}"
    if not report.complete:
        yield "Nothing else could be checked."
    if report.findings:
        yield "To see what a finding means and how to fix it: cdk-lambda-package findings ID"


def format_finding(finding: Finding, *, place: str, acknowledged: bool) -> Iterator[str]:
    """Yield the lines of a finding for a terminal.

    Example:
        `format_finding(finding, place=place_of(finding, report), acknowledged=False)`
    """
    label = f"acknowledged {finding.severity}" if acknowledged else finding.severity.value
    yield f"{label}[{finding.id}]{f' {place}' if place else ''}"
    yield from (f"    {line}" for line in finding.message.splitlines())


def _summarise(report: Report) -> str | None:
    """Return what happens to the requirements on the runtime, None if there are none."""
    runtime, distributions = report.target.runtime.name, report.distributions
    if distributions is None:
        unresolved = any(one.id == RequirementsError.id for one in report.findings)
        return f"On {runtime}: the requirements can't be resolved, so no import was checked." if unresolved else None
    if not distributions:
        return None
    all_of_them = count(len(distributions), "distribution")
    if not report.failing:
        return f"On {runtime}: no import error was found in {all_of_them}."
    fails = "fails" if len(report.failing) == 1 else "fail"
    named = ", ".join(one.replace("==", " ") for one in report.failing)
    return f"On {runtime}: {len(report.failing)} of {all_of_them} {fails} at import: {named}."


def _describe_distributions(report: Report) -> dict[str, Any] | None:
    if report.distributions is None:
        return None
    return {"count": len(report.distributions), "failing": list(report.failing)}


def _describe(finding: Finding, report: Report) -> dict[str, Any]:
    own = report.locate(finding)
    place = {"file": Path(os.path.relpath(own)).as_posix()} if own is not None else {}
    return {**describe_finding(finding), **place, "acknowledged": report.is_acknowledged(finding)}


def place_of(finding: Finding, report: Report) -> str:
    """Return the file and line that a finding is about, as editors and terminals open them; "" if it is about none.

    Example:
        `place_of(finding, report) == "orders/app.py:3"`
    """
    own = report.locate(finding)
    shown = show_path(own) if own is not None else finding.path
    return f"{shown}:{finding.line}" if shown and finding.line else shown or ""


def format_counts(numbers: Mapping[str, int]) -> str:
    """Return in words how many findings of each severity there are.

    Example:
        `format_counts(report.counts) == "1 error, 2 warnings"`
    """
    counts = [(number, name) for name, number in numbers.items() if number]
    plural = {severity.value: f"{severity}s" for severity in Severity}
    return ", ".join(f"{n} {plural.get(name, name) if n > 1 else name}" for n, name in counts) or "nothing found"


def _rank(finding: Finding) -> tuple[int, str, int]:
    return (_ORDER.index(finding.severity), finding.path or "", finding.line or 0)


def describe_as_sarif(report: Report, *, root: Path) -> dict[str, Any]:
    """Return a SARIF log with one run; paths in it are relative to `root`, the root of the repository.

    Example:
        `describe_as_sarif(report, root=Path.cwd())["runs"]`
    """
    entry = _relative(report.request.entry_path, root) or report.request.entry_path.name
    return _sarif_log([_sarif_run(report, f"{entry}/{_sarif_target(report)}", root)])


def describe_several_as_sarif(reports: Iterable[tuple[str, Report]], *, root: Path) -> dict[str, Any]:
    """Return a SARIF log with a run for each report, which has a name, such as its construct's path.

    Example:
        `describe_several_as_sarif([("Shop/Orders", report)], root=Path.cwd())["runs"]`
    """
    return _sarif_log([_sarif_run(report, f"{name}/{_sarif_target(report)}", root) for name, report in reports])


def _sarif_log(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}


def _sarif_target(report: Report) -> str:
    return f"{report.target.runtime.name}/{report.target.architecture}"


def _sarif_run(report: Report, name: str, root: Path) -> dict[str, Any]:
    # Imported here: the import takes longer than the check of an unchanged package.
    from importlib.metadata import version

    ids = tuple(dict.fromkeys(finding.id for finding in report.findings))
    driver = {"name": _TOOL, "version": version(_TOOL), "rules": [_describe_rule(name) for name in ids]}
    return {
        "tool": {"driver": driver},
        # Distinguishes the runs for several functions and targets (§3.17.3); code hosts use it as a category.
        "automationDetails": {"id": f"{_TOOL}/{name}/"},
        "invocations": [{"executionSuccessful": report.complete}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": _describe_results(report, ids, root),
    }


def _describe_rule(finding_id: str) -> dict[str, Any]:
    rule = find_rule(finding_id)
    if rule is None:
        return {"id": finding_id}
    # No helpUri, which must be absolute (§3.49.12): the page is a file of this library, so its text is included.
    page = read_page(finding_id)
    return {
        "id": finding_id,
        "shortDescription": {"text": f"{rule.title}."},
        "defaultConfiguration": {"level": rule.severity.value},
        "help": {"text": page, "markdown": page},
    }


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
                "level": finding.severity.value,
                "message": {"text": finding.message},
                "locations": [_describe_location(report.anchor_of(finding), finding.line, root)],
                # Without the line and the message, so that it stays the same after an edit above it (§3.27.17).
                "partialFingerprints": {f"{_TOOL}/v1": hashlib.sha256(f"{alike}\0{seen[alike]}".encode()).hexdigest()},
                # Empty means that it isn't suppressed; absent means unknown (§3.27.23).
                "suppressions": [_ACCEPTED] if report.is_acknowledged(finding) else [],
            }
        )
    return results


def _describe_location(path: Path, line: int | None, root: Path) -> dict[str, Any]:
    relative = _relative(path, root)
    place = {"uri": path.as_uri()} if relative is None else {"uri": quote(relative), "uriBaseId": _ROOT}
    # Code hosts don't show results without a line.
    return {"physicalLocation": {"artifactLocation": place, "region": {"startLine": line or 1}}}


def _relative(path: Path, root: Path) -> str | None:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None
