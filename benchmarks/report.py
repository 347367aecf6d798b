"""The results in writing: the measured numbers as compact JSON, and tables in Markdown between two markers."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aims import Summaries, Verdict, judge
from benchmarks.cases import ARCHITECTURE
from benchmarks.environments import Tools
from benchmarks.measure import Sample, Summary, summarise
from benchmarks.ours import CAT, CONCATENATION, KERNEL_CAT

PART = "benchmark"

_VERSIONS = {"ours": "cdk-lambda-package", "chalice": "chalice", "sam": "aws-sam-cli", "pip": "pip", "uv": "uv"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A peer that couldn't package a case, and the last thing it said."""

    case: str
    way: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was measured, and on what."""

    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    runtime: str
    rounds: int
    samples: Sequence[Sample]
    failures: Sequence[Failure]


def describe_machine(tools: Tools, name: str = "ours") -> dict[str, str | int]:
    """Return what the numbers depend on, and nothing that names the machine; the Python is that of a tool."""
    return describe_host(tools.python_version(name))


def describe_host(python: str) -> dict[str, str | int]:
    """Return the same for a version of Python."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "cores": os.cpu_count() or 1,
        "machine": platform.machine(),
        "system": release.get("PRETTY_NAME", platform.platform(terse=True)),
        "python": python,
    }


def describe_versions(tools: Tools) -> dict[str, str]:
    """Return the versions of all that is measured."""
    return {distribution: tools.version(name, distribution) for name, distribution in _VERSIONS.items()}


def write_report(report: Report, page: Path) -> None:
    """Write the tables into the page, and the numbers to a JSON file beside it; both replace those of the last run."""
    summaries = summarise(report.samples)
    rows: dict[tuple[str, str], list[float]] = {}
    for sample in report.samples:
        rows.setdefault((sample.case, sample.way), []).append(sample.seconds)
    facts = {field: getattr(report, field) for field in ("machine", "versions", "runtime", "rounds")}
    facts["failures"] = [dataclasses.asdict(failure) for failure in report.failures]
    facts["columns"] = ["case", "way", "seconds", "memory", "children", "size"]
    write_numbers(
        page.with_suffix(".json"),
        facts,
        [
            [*key, significant(seconds), summaries[key].memory, summaries[key].children, summaries[key].size]
            for key, seconds in rows.items()
        ],
    )
    replace_generated(page, format_report(report, summaries))


def write_numbers(path: Path, facts: Mapping[str, Any], rows: Iterable[Sequence[Any]]) -> None:
    """Write an object with each fact, and each of its `rows`, on a line: a few dozen lines that diffs can show."""
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}," for name, value in facts.items()]
    written = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    path.write_text("\n".join(["{", *lines, ' "rows": [', written, " ]", "}"]) + "\n", encoding="utf-8")


def significant(seconds: Iterable[float]) -> list[float]:
    """Return seconds with four significant digits."""
    return [float(f"{value:.4g}") for value in seconds]


def replace_generated(page: Path, lines: Iterable[str], *, part: str = PART) -> None:
    """Write the lines between the page's two markers for this part."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    text = "\n".join(lines)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def format_report(report: Report, summaries: Summaries) -> Iterator[str]:
    """Yield the lines of the generated part."""
    yield from format_machine(report.machine, report.rounds, report.runtime)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"{versions}; zipped by {report.machine['zip']}."
    yield ""
    yield from format_aims(judge(summaries))
    for case in dict.fromkeys(case for case, _ in summaries):
        yield from ("", f"### {case}", "")
        yield from _format_case({way: summary for (name, way), summary in summaries.items() if name == case})
        yield from (f"| {item.way} | failed: {item.reason} | | | |" for item in report.failures if item.case == case)


def format_machine(machine: Mapping[str, str | int], rounds: int, runtime: str) -> Iterator[str]:
    """Yield the lines that say where the numbers are from."""
    count = "One round" if rounds == 1 else f"Medians of {rounds} rounds"
    yield f"{count} on {machine['cores']} cores ({machine['machine']}), {machine['system']}, Python {machine['python']},"
    yield f"packaging for `{runtime}` on `{ARCHITECTURE}`."


def format_aims(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield a table of aims."""
    yield from format_table(
        ("aim", "measured", "met"),
        ((verdict.aim, verdict.measured, _VERDICTS[verdict.met]) for verdict in verdicts),
    )


def _format_case(ways: Mapping[str, Summary]) -> Iterator[str]:
    yield from format_table(
        ("", "seconds", "peak memory, MB", "of its children, MB", "output, MB"),
        (
            (
                way,
                format_seconds(summary.seconds),
                "" if way in _NOT_APART else f"{summary.memory / 1e6:.0f}",
                f"{summary.children / 1e6:.0f}" if summary.children else "",
                "" if way in _NOT_APART else f"{summary.size / 1e6:.2f}",
            )
            for way, summary in ways.items()
        ),
    )


_VERDICTS = {True: "yes", False: "**no**", None: ""}

# Timed inside one process, whose memory and output aren't theirs.
_NOT_APART = {CONCATENATION, CAT, KERNEL_CAT}


def format_seconds(seconds: float) -> str:
    """Return seconds with as many digits as mean something."""
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}" if seconds >= 0.1 else f"{seconds:.4f}"


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table in Markdown; all columns but the first are numbers, and verdicts are words."""
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 2) + ("---|" if head[-1] == "met" else "---:|")
    yield from (f"| {' | '.join(row)} |" for row in rows)
