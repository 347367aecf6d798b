"""Measure resolving alone, beside pip itself, and write the second part of docs/explanation/performance.md.

All ways take turns in each round. Nothing is packaged: what the resolution costs is what is measured.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE
from benchmarks.environments import Tools, install_ours, read_arguments
from benchmarks.measure import Command, run
from benchmarks.report import (
    describe_machine,
    format_aims,
    format_machine,
    format_seconds,
    format_table,
    replace_generated,
)

_INSIDE = Path(__file__).with_name("inside.py")

# They come to between 40 and 50 packages.
REQUIREMENTS = [
    "boto3",
    "aws-lambda-powertools[tracer,validation]",
    "requests",
    "fastapi",
    "mangum",
    "pydantic",
    "sqlalchemy",
    "alembic",
    "cryptography",
    "pandas",
    "redis",
    "httpx",
    "jinja2",
    "pyjwt[crypto]",
    "psycopg[binary]",
    "pyyaml",
    "orjson",
    "tenacity",
    "structlog",
]

OURS, PIP = "cdk-lambda-package", "`pip install --dry-run --report`"
_MOST_TIMES_PIP = 1.1

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The directory, the tools and the runtime that are measured with."""

    tools: Tools
    root: Path
    runtime: str

    def command(self, way: str) -> Command:
        """Return the process of a way."""
        argv = {OURS: self._ours(), PIP: self._pip()}[way]
        return Command(argv=argv, cwd=self.root, tools=self.tools.python("ours").parent)

    def _ours(self) -> Sequence[str | Path]:
        arguments = ("resolve", self.root / "result.json", self.root, self.runtime, ARCHITECTURE)
        return (self.tools.python("ours"), _INSIDE, *arguments)

    def _pip(self) -> Sequence[str | Path]:
        options = (
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--only-binary=:all:",
            "--report",
            self.root / "report.json",
        )
        return (self.tools.python("ours"), "-m", "pip", "install", *options, "-r", self.root / "requirements.txt")


def main() -> None:
    """Run the benchmark."""
    arguments = read_arguments(__doc__, page="performance.md")
    directory = arguments.directory
    _say("Installing the tools")
    tools = install_ours(directory / "tools", python=arguments.python)
    root = directory / "resolving"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "requirements.txt").write_text("\n".join(REQUIREMENTS) + "\n")
    place = Place(tools=tools, root=root, runtime=f"python{tools.python_version().rpartition('.')[0]}")
    samples = _measure_all(place, arguments.rounds)
    replace_generated(arguments.page, _format(place, samples, arguments.rounds), part="resolving")
    shutil.rmtree(root)


def _measure_all(place: Place, rounds: int) -> Samples:
    samples: dict[str, list[float]] = {}
    # The round before the first isn't counted: it fills the caches.
    for number in range(rounds + 1):
        for way in (OURS, PIP):
            seconds = _time(place.command(way), place)
            _say(f"{number or 'warm-up':<8} {way:<60} {seconds:8.3f} s")
            if number:
                samples.setdefault(way, []).append(seconds)
    return samples


def _time(command: Command, place: Place) -> float:
    start = time.perf_counter()
    run(command, log=place.root / "log.txt")
    return time.perf_counter() - start


def judge(samples: Samples) -> Iterator[Verdict]:
    """Yield a verdict on each aim."""
    times = median(samples[OURS]) / median(samples[PIP])
    yield Verdict(
        aim=f"at most {_MOST_TIMES_PIP} times the seconds of {PIP}",
        measured=f"{times:.2f} times",
        met=times <= _MOST_TIMES_PIP,
    )


def _format(place: Place, samples: Samples, rounds: int) -> Iterator[str]:
    yield from format_machine(describe_machine(place.tools), rounds, place.runtime)
    yield f"pip {place.tools.version('ours', 'pip')}."
    yield ""
    yield from format_aims(judge(samples))
    yield ""
    yield from format_table(("", "seconds"), ((way, format_seconds(median(row))) for way, row in samples.items()))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
