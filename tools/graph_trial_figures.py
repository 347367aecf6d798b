"""What the trial of the import graph comes to: the values of one distribution, verdicts, and figures over many.

Sets are of paths in a package, of Python source alone, without the app's own; sizes are in bytes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Errors about the size of the package say nothing about its import.
OF_SIZE = frozenset({"package-too-large", "archive-over-50-mb"})


class Verdict(enum.StrEnum):
    """How the findings of a package compare with a real import of it."""

    SOUND = "sound"
    """It imports, and there is no error."""
    FOUND = "found"
    """It fails, and there is an error."""
    FALSE_ERROR = "false error"
    """It imports, and there is an error all the same."""
    MISS = "miss"
    """It fails, and there is no error."""


class Share(NamedTuple):
    """A part of a whole, in files or bytes."""

    part: int
    whole: int

    def __add__(self, other: object) -> Share:
        """Return the share of both together."""
        if not isinstance(other, Share):
            return NotImplemented
        return Share(self.part + other.part, self.whole + other.whole)

    def __str__(self) -> str:
        return f"{100 * self.part / self.whole:.1f} %" if self.whole else "-"


class Comparison(NamedTuple):
    """How a set that the graph names compares with the files that were really executed."""

    recall: Share = Share(0, 0)
    precision: Share = Share(0, 0)
    recall_bytes: Share = Share(0, 0)
    precision_bytes: Share = Share(0, 0)

    def __add__(self, other: object) -> Comparison:
        """Return the comparison of both sets together: shares are of all files, and not the mean of both."""
        if not isinstance(other, Comparison):
            return NotImplemented
        return Comparison(*(one + two for one, two in zip(self, other, strict=True)))


def compare(named: Collection[str], real: Collection[str], sizes: Mapping[str, int]) -> Comparison:
    """Return how the files that were named compare with the real ones.

    Example:
        `compare({"a.py", "b.py"}, {"a.py"}, sizes).precision == Share(1, 2)`
    """
    both = set(named) & set(real)

    def weigh(paths: Iterable[str]) -> int:
        return sum(sizes[path] for path in paths)

    return Comparison(
        recall=Share(len(both), len(real)),
        precision=Share(len(both), len(named)),
        recall_bytes=Share(weigh(both), weigh(real)),
        precision_bytes=Share(weigh(both), weigh(named)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What a real import did: `status` is imported, failed, or how the process ended.

    `frames` are the files and lines where the exception was raised, the last being the innermost;
    `loaded` has the files that were executed in order, each with the file and line that asked for it; `extensions` the
    extension modules, `libraries` what was opened by ctypes.
    """

    status: str
    error: str = ""
    message: str = ""
    frames: Sequence[Sequence[Any]] = ()
    loaded: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    extensions: Sequence[str] = ()
    libraries: Sequence[str] = ()

    @property
    def imported(self) -> bool:
        """Whether the import succeeded."""
        return self.status == "imported"

    @property
    def kind(self) -> str:
        """The outcome in one word, as the list of distributions has it."""
        return "ok" if self.imported else self.error or self.status

    def __str__(self) -> str:
        # Without the place of the interpreter, which is another on each machine.
        message = re.sub(r" \(/[^)]*\)", "", self.message)
        return "imports" if self.imported else f"{self.kind}: {message}".rstrip(": ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What the graph says: the findings as they are reported, the files that are reached, and the cost.

    `links` has, for each file that is reached, the file and line by which it is. `seconds` are CPU seconds of parsing,
    tracing and writing the facts.
    """

    findings: Sequence[Mapping[str, Any]]
    certain: Sequence[str]
    perhaps: Sequence[str]
    links: Mapping[str, Sequence[Any]]
    seconds: float

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """The errors that say that the import fails."""
        return [one for one in self.findings if one["severity"] == "error" and one["id"] not in OF_SIZE]

    @property
    def warnings(self) -> list[Mapping[str, Any]]:
        """The warnings."""
        return [one for one in self.findings if one["severity"] == "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One distribution, imported and analysed. `sizes` are those of all its Python files that either of both names."""

    runtime: str
    requirement: str
    said: str
    statement: str
    truth: Truth
    word: Word
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        """The requirement, with the runtime."""
        return f"{self.requirement} ({self.runtime})"

    @property
    def verdict(self) -> Verdict:
        """How both compare."""
        if self.truth.imported:
            return Verdict.FALSE_ERROR if self.word.errors else Verdict.SOUND
        return Verdict.FOUND if self.word.errors else Verdict.MISS

    @property
    def real(self) -> frozenset[str]:
        """The files that were executed."""
        return frozenset(self.truth.loaded) & self.sizes.keys()

    @property
    def certain(self) -> Comparison:
        """The files that certainly run, compared with the real ones."""
        return compare(self.word.certain, self.real, self.sizes)

    @property
    def reached(self) -> Comparison:
        """The files that run certainly or perhaps, compared with the real ones."""
        return compare({*self.word.certain, *self.word.perhaps}, self.real, self.sizes)

    @property
    def reached_bytes(self) -> int:
        """The bytes of the source that the graph reaches."""
        return sum(self.sizes[path] for path in {*self.word.certain, *self.word.perhaps})

    @property
    def missed(self) -> list[str]:
        """The files that were executed and aren't reached, in the order of their execution."""
        return [path for path in self.truth.loaded if path in self.real - {*self.word.certain, *self.word.perhaps}]

    def unreal(self, paths: Iterable[str]) -> list[str]:
        """Return the files of `paths` that weren't executed, sorted."""
        return sorted(set(paths) - self.real)


class Totals(NamedTuple):
    """Figures over the distributions that import."""

    imported: int
    certain: Comparison
    reached: Comparison
    seconds: float
    reached_bytes: int

    @property
    def seconds_per_mb(self) -> float:
        """CPU seconds for a megabyte (10⁶ bytes) of reached source."""
        return self.seconds / (self.reached_bytes / 1e6) if self.reached_bytes else 0.0


def pool(trials: Iterable[Trial]) -> Totals:
    """Return the figures of the distributions that import, over all their files together.

    Example:
        `pool(trials).reached.recall`
    """
    sound = [trial for trial in trials if trial.truth.imported]
    return Totals(
        imported=len(sound),
        certain=sum((trial.certain for trial in sound), Comparison()),
        reached=sum((trial.reached for trial in sound), Comparison()),
        seconds=sum(trial.word.seconds for trial in sound),
        reached_bytes=sum(trial.reached_bytes for trial in sound),
    )


class Root(NamedTuple):
    """An import at which the graph and the real import part: `importer` is known to both, and `path` to one of them only.

    `files` files follow from it, `path` among them.
    """

    path: str
    importer: str
    line: int
    files: int


def missed_roots(trial: Trial) -> list[Root]:
    """Return where the graph loses the way: imports that it doesn't follow, the one with the most files first."""
    return _find_roots(trial.missed, trial.truth.loaded)


def wrong_roots(trial: Trial, paths: Iterable[str]) -> list[Root]:
    """Return where the graph goes wrong with some of its files: imports that it follows and that don't run."""
    return _find_roots(trial.unreal(paths), trial.word.links)


def _find_roots(paths: Sequence[str], importers: Mapping[str, Sequence[Any]]) -> list[Root]:
    inside = set(paths)

    def root_of(path: str) -> str:
        seen = {path}
        while (found := importers.get(path)) and found[0] in inside and found[0] not in seen:
            path = found[0]
            seen.add(path)
        return path

    counts: dict[str, int] = {}
    for path in paths:
        counts[root_of(path)] = counts.get(root_of(path), 0) + 1
    found = []
    for path, files in counts.items():
        importer, line = importers.get(path) or ("", 0)
        found.append(Root(path, importer, line, files))
    return sorted(found, key=lambda root: -root.files)
