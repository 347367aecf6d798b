"""Problems, as values and as exceptions.

A `Finding` is one observation about a deployment package. A `PackageError` is raised if the package can't be made.
"""

from __future__ import annotations

import contextlib
import enum
import errno
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple


class Severity(enum.StrEnum):
    """The severity of a finding. An error prevents the package, a warning needs attention, a note is information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One observation about a package, with a stable id that acknowledges it.

    Attributes:
        id: The kind of finding, such as `import-not-found`.
        severity: `error`, `warning` or `note`.
        message: The fault, the value, the accepted values and the fix.
        path: The file, relative to the entry directory if it is your own, else to the package.
        line: The line in that file; the first is 1.
        subject: A module, a library or a distribution, if the finding isn't about the file.
        distribution: The packaged distribution whose own code fails, such as `six==1.17.0`.

    Example:
        `Finding(id="case-clash", severity=Severity.WARNING, message="…", path="Utils.py").precise_id` is
        `"case-clash:Utils.py"`.
    """

    id: str
    severity: Severity
    message: str
    path: str | None = None
    line: int | None = None
    subject: str | None = None
    distribution: str | None = None

    @property
    def precise_id(self) -> str:
        """The id and the subject, `id:subject`, which acknowledges this finding only."""
        about = self.subject or self.path
        return f"{self.id}:{about}" if about else self.id

    def is_among(self, acknowledge: Collection[str]) -> bool:
        """Return whether the id or the precise id is among those that are acknowledged."""
        return self.id in acknowledge or self.precise_id in acknowledge

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.path and self.line else ""
        return f"{place}{self.message} [{self.id}]"


# Longer lists are cut.
_MOST_OF_A_KIND, _MOST_PROBLEMS = 20, 100


class Excerpt(NamedTuple):
    """The findings to show, in order; and for each kind that has more, its id and a sentence with their number."""

    shown: tuple[Finding, ...]
    more: tuple[tuple[str, str], ...]


def excerpt(findings: Iterable[Finding]) -> Excerpt:
    """Return the first findings of each kind, at most 20, and the number of the others."""
    counts: Counter[str] = Counter()
    shown: list[Finding] = []
    for finding in findings:
        counts[finding.id] += 1
        if counts[finding.id] <= _MOST_OF_A_KIND:
            shown.append(finding)
    advice = "`cdk-lambda-package check --format json` lists them all."
    counts -= Counter(dict.fromkeys(counts, _MOST_OF_A_KIND))
    return Excerpt(tuple(shown), tuple((name, f"{count:,} more of {name}: {advice}") for name, count in counts.items()))


def nearest(name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known names that are most like this one, for a suggestion in an error.

    Example:
        `nearest("handlr", ["handler", "main"]) == ["handler"]`
    """
    # Imported here: most runs suggest nothing.
    from difflib import get_close_matches

    return get_close_matches(name, list(known), most, cutoff)


# A message is read by a person. Longer ones have long values in them, most likely of hostile or broken files.
_LONGEST_MESSAGE, _LONGEST_LINE, _LONGEST_LIST = 1_900, 600, 20_000
_SHORTEST_PART = 40
# All control characters but tab and line feed: a terminal obeys them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    Example:
        `count(1, "package") == "1 package"` and `count(1200, "file") == "1,200 files"`
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, most: int = 200) -> str:
    """Return a text of at most `most` characters: a longer one loses its middle, and says how much that was.

    Example:
        `shorten("9" * 5000, 60)` is `"9999999999 … 4,980 more characters … 9999999999"`.
    """
    if len(text) <= most:
        return text
    kept = max(most - _SHORTEST_PART, 0) // 2
    return f"{text[:kept]} … {len(text) - 2 * kept:,} more characters … {text[len(text) - kept :]}"


def bounded(message: str) -> str:
    """Return a message as it can be shown anywhere: of a bounded size, and without characters that a terminal obeys.

    One sentence has at most about 1,900 characters, a list of problems 20,000.
    """
    # Names of files may have bytes that are no text.
    shown = shorten(message, 1_000_000).translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()
    if len(shown) <= _LONGEST_MESSAGE:
        return shown
    lines = shown.split("\n")
    most = max(_LONGEST_LINE, _LONGEST_MESSAGE // len(lines))
    return shorten("\n".join(shorten(line, most) for line in lines), _LONGEST_LIST)


def printable(text: str) -> str:
    r"""Return a text that others may have written, without characters that a terminal obeys.

    Example:
        `printable("x\x1b[2J")` is `r"x\x1b[2J"`.
    """
    return text.translate(_CONTROLS)


class PackageError(Exception):
    """The base of every error that this library raises. Its message has a bounded length and no control characters.

    `id` is that of the finding which the error is in a report. It is None for an error that is about no package.

    Example:
        `except PackageError as error: print(error.id, error)`
    """

    id: ClassVar[str | None] = None

    def __init__(self, message: str = "") -> None:
        super().__init__(bounded(message))


class OptionError(PackageError):
    """An option has a value that it doesn't accept."""


class TargetError(OptionError):
    """The runtime or architecture isn't one that Lambda runs Python on."""


class UsageError(OptionError):
    """Arguments of the command line don't fit together."""


class EntryError(PackageError):
    """The entry directory doesn't exist, or doesn't have a file that an option names; or a `ContentError`."""

    id = "entry-not-usable"


class ContentError(EntryError):
    """The entry directory has files that can't be packaged; each of `faults` has the file, the reason and the fix."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(_join_problems(self.faults, len(self.faults)))


class ChangedFileError(ContentError):
    """A file isn't the one that was listed. It reaches users only if the file changes again whenever it is listed."""

    def __init__(self, source: str) -> None:
        fault = f"{source!r} changes while it is packaged. Package again when no process writes to it, or exclude it."
        super().__init__([fault])


class RequirementsError(PackageError):
    """The requirements can't be turned into wheels for the target."""

    id = "requirements-not-resolved"


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
    """A source can't be built to a wheel that the target can load."""

    id = "source-not-built"


class UnsupportedRequirementError(RequirementsError):
    """The requirement has a form that isn't supported."""


class IndexUnreachableError(RequirementsError):
    """An index couldn't be reached, so the requirement couldn't be resolved."""


class HashMismatchError(RequirementsError):
    """A file has another hash than expected."""

    id = "hash-mismatch"


class UnhashedError(RequirementsError):
    """A distribution isn't pinned by a hash, although hashes are required."""


class SupplyChainError(RequirementsError):
    """`only_index` doesn't allow the origin of a file, or `uploaded_prior_to` its upload time."""


class LockError(RequirementsError):
    """A lock can't be read, or doesn't satisfy the requirements."""

    id = "lock-not-usable"


class LockTargetError(LockError):
    """A committed lock isn't for the target."""


class ToolError(RequirementsError):
    """A tool that resolves, reads a lock or writes an SBOM is missing, or failed."""


class WheelError(PackageError):
    """A wheel can't be spliced: it is corrupt, hostile or of a form that Lambda can't unpack."""

    id = "wheel-not-usable"


class OutputError(PackageError):
    """The package can't be written to its destination."""


class CommandError(PackageError):
    """A command of before_packaging or after_packaging failed."""

    id = "command-failed"


class CheckError(PackageError):
    """A tool that a check needs is missing, or failed, so the package wasn't checked."""


class HostError(PackageError):
    """The operating system or Python refuses something: a file can't be read, a disk is full, memory is used up."""


class InternalError(PackageError):
    """A fault of this library. The message names the file to attach to a report."""


class FindingsError(PackageError):
    """The package would fail on Lambda; `findings` has every reason, and `acknowledgeable` is one to acknowledge, if any."""

    def __init__(self, findings: Iterable[Finding], *, acknowledgeable: Finding | None = None) -> None:
        self.findings = tuple(findings)
        more = f"Details: `cdk-lambda-package findings {self.findings[0].id}`."
        if acknowledgeable is not None:
            more += f" To acknowledge a finding, set packaging=Packaging(acknowledge=[{acknowledgeable.precise_id!r}])."
        told = excerpt(self.findings)
        lines = [*map(str, told.shown), *(text for _, text in told.more)]
        super().__init__(f"{_join_problems(lines, len(self.findings))}\n{more}")


def describe_error(error: PackageError) -> str:
    """Return an error as it is shown to the user: with its id, as a finding is.

    Example:
        `describe_error(EntryError("…"))` ends with "[entry-not-usable]", which `cdk-lambda-package findings` explains.
    """
    return str(error) if error.id is None else f"{error} [{error.id}]"


def join_problems(lines: Sequence[str], heading: str) -> str:
    """Return the only problem, or the heading and each problem on a line of its own."""
    return lines[0] if len(lines) == 1 else "\n  - ".join((heading, *lines))


def _join_problems(lines: Sequence[str], count: int) -> str:
    rest = (f"{len(lines) - _MOST_PROBLEMS:,} more.",) if len(lines) > _MOST_PROBLEMS else ()
    return join_problems((*lines[:_MOST_PROBLEMS], *rest), f"{count:,} problems:")


def has_errors(findings: Iterable[Finding], *, acknowledge: Collection[str]) -> bool:
    """Return whether any finding is an error that isn't acknowledged."""
    return any(finding.severity is Severity.ERROR and not finding.is_among(acknowledge) for finding in findings)


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into an `OutputError` that names the path.

    Example:
        ```python
        with explain_os_errors(path):
            path.write_text(text)
        ```
    """
    try:
        yield
    except OSError as error:
        hint = _WRITING_HINTS.get(error.errno or 0, "choose another place or change its permissions")
        raise OutputError(f"{str(path)!r} can't be written: {error.strerror or error}; {hint}.") from error


_WRITING_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "correct the symbolic links in it",
}
