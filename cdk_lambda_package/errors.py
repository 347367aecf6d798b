"""What can go wrong, as values and as exceptions.

A `Finding` is one thing that somebody should know about a deployment package;
a `PackageError` is raised when the package must not be made.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


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
        super().__init__(_join_problems(self.faults))


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
            f"More on each: `cdk-lambda-package findings {first.id}`. What is known to be fine can be acknowledged: "
            f"acknowledge=[{first.precise_id!r}]."
        )
        super().__init__(f"{_join_problems([str(finding) for finding in self.findings])}\n{more}")


def _join_problems(lines: Sequence[str]) -> str:
    return lines[0] if len(lines) == 1 else "\n  - ".join((f"{len(lines)} problems:", *lines))


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
