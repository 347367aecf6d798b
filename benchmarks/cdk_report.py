"""What packaging adds, in writing: the measured numbers as compact JSON, aims and tables in Markdown between two markers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE
from benchmarks.cdk_runs import (
    COMMANDS,
    EMPTY,
    EMPTY_STORE,
    INLINE,
    MANY,
    MANY_FUNCTIONS,
    OURS,
    PIP,
    PREPARED,
    STATES,
    UNBUNDLED,
    Sample,
)
from benchmarks.report import format_aims, format_table, replace_generated, significant, write_numbers

_JOBS = tuple(f"cdk {command}" for command in COMMANDS)
_LABELS = {OURS: "ours", PREPARED: "`from_asset` of a prepared directory", PIP: "pip in `try_bundle`"}

_PART_OF_PIP = 0.1
_MOST_MS_EACH = 10
_MOST_MS_UNBUNDLED = 50

Differences = Mapping[tuple[str, str, str], Sequence[float]]
"""Seconds beyond inline code in each round, by job, state and way."""

Added = Mapping[tuple[str, str, str], float]
"""Their medians."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was measured, and on what."""

    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    runtime: str
    rounds: int
    samples: Sequence[Sample]


def format_sample(sample: Sample) -> str:
    """Return a line about a sample."""
    return f"{sample.job:<28} {sample.state:<28} {sample.way:<9} {sample.seconds:8.3f} s"


def write_report(report: Report, page: Path) -> None:
    """Write the tables into the page, and the numbers to a JSON file beside it; both replace those of the last run."""
    rows: dict[tuple[str, str, str], list[float]] = {}
    for sample in report.samples:
        rows.setdefault((sample.job, sample.state, sample.way), []).append(sample.seconds)
    facts = {field: getattr(report, field) for field in ("machine", "versions", "runtime", "rounds")}
    facts["columns"] = ["job", "state", "way", "seconds"]
    write_numbers(page.with_suffix(".json"), facts, [[*key, significant(seconds)] for key, seconds in rows.items()])
    replace_generated(page, format_report(report))


def find_differences(samples: Sequence[Sample]) -> Differences:
    """Return the differences to inline code in the same turn."""
    plain = {(item.job, item.state, item.turn): item.seconds for item in samples if item.way == INLINE}
    differences: dict[tuple[str, str, str], list[float]] = {}
    for item in samples:
        if item.way != INLINE:
            state = EMPTY if item.state == EMPTY_STORE else item.state
            difference = item.seconds - plain[item.job, state, item.turn]
            differences.setdefault((item.job, item.state, item.way), []).append(difference)
    return differences


def find_added(differences: Differences) -> Added:
    """Return the medians."""
    return {key: median(values) for key, values in differences.items()}


def judge(differences: Differences) -> Iterator[Verdict]:
    """Yield a verdict on each aim."""
    for job in _JOBS:
        for state in STATES:
            ours = median(differences[job, state, OURS])
            what = f"`{job}`, {state}: adds"
            pip, prepared = differences[job, state, PIP], differences[job, state, PREPARED]
            yield _beside(ours, pip, f"{what} at most a tenth of pip in `try_bundle`", part=_PART_OF_PIP)
            yield _beside(ours, prepared, f"{what} less than a prepared directory")
    for (job, state, _), values in differences.items():
        milliseconds = median(values) * 1000
        if job == MANY_FUNCTIONS:
            yield _at_most(milliseconds / MANY, _MOST_MS_EACH, f"{job}, {state}: adds to each")
        if job == UNBUNDLED:
            yield _at_most(milliseconds, _MOST_MS_UNBUNDLED, f"{job}, {state}: adds in total")


def _beside(ours: float, peer: Sequence[float], aim: str, *, part: float = 1) -> Verdict:
    measured = f"{_seconds(ours)} s beside {_seconds(median(peer))} s"
    if min(peer) <= 0:
        # In some round the peer was as fast as inline code: a part of that is no number.
        return Verdict(aim=aim, measured=f"{measured}, which is noise", met=None)
    return Verdict(aim=aim, measured=measured, met=ours < median(peer) * part)


def _at_most(milliseconds: float, limit: int, what: str) -> Verdict:
    return Verdict(aim=f"{what} at most {limit} ms", measured=f"{milliseconds:.1f} ms", met=milliseconds <= limit)


def format_report(report: Report) -> Iterator[str]:
    """Yield the lines of the generated part."""
    differences = find_differences(report.samples)
    machine, count = report.machine, f"Medians of {report.rounds} rounds" if report.rounds > 1 else "One round"
    yield f"{count} on {machine['cores']} cores ({machine['machine']}), {machine['system']}, Python {machine['python']},"
    yield f"packaging for `{report.runtime}` on `{ARCHITECTURE}`."
    yield ", ".join(f"{name} {version}" for name, version in report.versions.items()) + "."
    yield ""
    yield from format_aims(judge(differences))
    for job in _JOBS:
        yield from ("", f"### Added to `{job}`", "")
        yield from _format_job(job, find_added(differences), report.samples)


def _format_job(job: str, added: Added, samples: Sequence[Sample]) -> Iterator[str]:
    states = (EMPTY_STORE, *STATES)
    yield from format_table(
        ("seconds", *states),
        (
            (label, *(_seconds(added[job, state, way]) if (job, state, way) in added else "" for state in states))
            for way, label in _LABELS.items()
        ),
    )
    yield ""
    plain = ", ".join(f"{_seconds(_inline(job, state, samples))} s ({state})" for state in STATES)
    yield f"With inline code, `{job}` itself takes {plain}."


def _inline(job: str, state: str, samples: Sequence[Sample]) -> float:
    return median(item.seconds for item in samples if (item.job, item.state, item.way) == (job, state, INLINE))


def _seconds(value: float) -> str:
    return f"{value:.2f}"
