"""What can go wrong, as values and as exceptions.

A `Finding` is one thing that somebody should know about a deployment package;
a `PackageError` is raised when the package must not be made.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Severity(enum.StrEnum):
    """How much a finding matters: it stops the package, it should be looked at, or it is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One observation about a package, with a stable id by which it can be acknowledged.

    `message` says what is wrong, the value, what would be accepted and the fix.
    `path` is relative to the entry directory (own files) or to the package; `line` counts from 1.
    `subject` is what it is about, where that isn't the file: a module, a library, a distribution.
    """

    id: str
    severity: Severity
    message: str
    path: str | None = None
    line: int | None = None
    subject: str | None = None

    @property
    def precise_id(self) -> str:
        """The id and what it is about, `id:subject`, by which this one is acknowledged and no other of its kind."""
        about = self.subject or self.path
        return f"{self.id}:{about}" if about else self.id

    def is_among(self, acknowledge: Collection[str]) -> bool:
        """Tell whether it is acknowledged, by its id or more precisely."""
        return self.id in acknowledge or self.precise_id in acknowledge

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.path and self.line else ""
        return f"{place}{self.message} [{self.id}]"


# What nobody reads to the end.
_MOST_OF_A_KIND, _MOST_PROBLEMS = 20, 100


class Excerpt(NamedTuple):
    """Findings that people are shown, in order, and how many more there are of each kind, by its id."""

    shown: tuple[Finding, ...]
    more: tuple[tuple[str, int], ...]


def excerpt(findings: Iterable[Finding]) -> Excerpt:
    """Return as many findings of each kind as somebody may want to read."""
    counts: dict[str, int] = {}
    shown: list[Finding] = []
    for finding in findings:
        counts[finding.id] = counts.get(finding.id, 0) + 1
        if counts[finding.id] <= _MOST_OF_A_KIND:
            shown.append(finding)
    more = ((name, count - _MOST_OF_A_KIND) for name, count in counts.items() if count > _MOST_OF_A_KIND)
    return Excerpt(tuple(shown), tuple(more))


class PackageError(Exception):
    """The root of every error that this library raises on purpose."""


class OptionError(PackageError):
    """An option has a value that it doesn't accept."""


class TargetError(OptionError):
    """The runtime or architecture isn't one that Lambda runs Python on."""


class EntryError(PackageError):
    """The entry directory isn't there, or hasn't got what an option says that it has; or a `ContentError`."""


class ContentError(EntryError):
    """The entry directory holds files that can't be packaged; each of `faults` says which, why, and the way out."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(_join_problems(self.faults, len(self.faults)))


class RequirementsError(PackageError):
    """The requirements can't be turned into wheels for the target."""


class RequirementSyntaxError(RequirementsError):
    """A line of a requirements file can't be read."""


class UnknownPackageError(RequirementsError):
    """No index knows a required distribution."""


class UnknownVersionError(RequirementsError):
    """The distribution is known, but no release satisfies the requirement."""


class ConflictingRequirementsError(RequirementsError):
    """No set of releases satisfies all requirements together."""


class NoWheelError(RequirementsError):
    """Releases satisfy the requirement, but none has a wheel that the target can load."""


class BuildError(NoWheelError):
    """Nothing that the target can load comes of building a source."""


class UnsupportedRequirementError(RequirementsError):
    """The requirement is of a form that this version doesn't package."""


class IndexUnreachableError(RequirementsError):
    """An index couldn't be reached, so nothing can be said about the requirement."""


class HashMismatchError(RequirementsError):
    """A file isn't the one that its hash promises."""


class UnhashedError(RequirementsError):
    """Something isn't pinned by a hash, where everything has to be."""


class SupplyChainError(RequirementsError):
    """Something comes from where, or was uploaded when, the rules for that don't allow it."""


class LockError(RequirementsError):
    """A lock can't be read, or isn't that of the requirements beside it."""


class ToolError(RequirementsError):
    """A tool that resolves, reads a lock or describes a package is missing, or failed."""


class WheelError(PackageError):
    """A wheel can't be spliced: it is corrupt, hostile or of a form that Lambda can't unpack."""


class OutputError(PackageError):
    """The package can't be written where it should go."""


class CommandError(PackageError):
    """A command of before_packaging or after_packaging failed."""


class CheckError(PackageError):
    """What a check relies on is missing, or failed, so that nobody knows whether the package works."""


class FindingsError(PackageError):
    """The package would not work on Lambda; every reason is in `findings`."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        first = self.findings[0]
        more = (
            f"Details: `cdk-lambda-package findings {first.id}`. To acknowledge a finding, set "
            f"packaging=Packaging(acknowledge=[{first.precise_id!r}])."
        )
        told = excerpt(self.findings)
        rest = (
            f"{count:,} more of {name}: `cdk-lambda-package check --format json` lists them all."
            for name, count in told.more
        )
        lines = [*map(str, told.shown), *rest]
        super().__init__(f"{_join_problems(lines, len(self.findings))}\n{more}")


def _join_problems(lines: Sequence[str], count: int) -> str:
    if len(lines) == 1:
        return lines[0]
    rest = (f"{len(lines) - _MOST_PROBLEMS:,} more.",) if len(lines) > _MOST_PROBLEMS else ()
    return "\n  - ".join((f"{count:,} problems:", *lines[:_MOST_PROBLEMS], *rest))


def has_errors(findings: Iterable[Finding], *, acknowledge: Collection[str]) -> bool:
    """Tell whether any finding is an error that isn't acknowledged."""
    return any(finding.severity is Severity.ERROR and not finding.is_among(acknowledge) for finding in findings)


def raise_for_errors(findings: Iterable[Finding], *, acknowledge: Collection[str]) -> tuple[Finding, ...]:
    """Raise `FindingsError` with every unacknowledged error together; return the warnings and notes that remain."""
    open_findings = [finding for finding in findings if not finding.is_among(acknowledge)]
    errors = [finding for finding in open_findings if finding.severity is Severity.ERROR]
    if errors:
        raise FindingsError(errors)
    return tuple(open_findings)
