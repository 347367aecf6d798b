"""Measure resolving alone, beside pip and uv themselves, and write the second part of docs/explanation/performance.md.

All ways take turns in each round. Nothing is packaged: what the resolution costs is what is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.cases import ARCHITECTURE
from benchmarks.environments import Tools, find_python, install_resolvers
from benchmarks.measure import Command, run
from benchmarks.page_relay import relay_pages
from benchmarks.report import (
    describe_machine,
    format_aims,
    format_machine,
    format_seconds,
    format_table,
    replace_generated,
)

_CHECKOUT = Path(__file__).resolve().parent.parent
_PAGE = _CHECKOUT / "docs" / "explanation" / "performance.md"
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

BY_PIP, PIP, BY_UV, BY_UV_AL2, UV = (
    "ours, by pip",
    "`pip install --dry-run --report`",
    "ours, by uv",
    "ours, by uv, for Amazon Linux 2",
    "`uv pip compile`",
)
_MOST_TIMES_PIP, _MOST_UV_SECONDS = 1.1, 0.5
_AL2 = "python3.11"

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where it is measured, and with what; `relay` is the index that says how long its pages are good."""

    tools: Tools
    root: Path
    runtime: str
    relay: str

    def command(self, way: str) -> Command:
        """Return the process of a way."""
        argv = {
            BY_PIP: self._ours("pip", self.runtime),
            PIP: self._pip(),
            BY_UV: self._ours("uv", self.runtime),
            BY_UV_AL2: self._ours("uv", _AL2),
            UV: self._uv(),
        }[way]
        return Command(argv=argv, cwd=self.root, tools=self.tools.bin("uv"))

    def _ours(self, resolver: str, runtime: str) -> Sequence[str | Path]:
        arguments = ("resolve", self.root / "result.json", self.root, runtime, ARCHITECTURE, resolver)
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

    def _uv(self) -> Sequence[str | Path]:
        python = ("--python", self.tools.python("ours"), "--only-binary=:all:", "--no-python-downloads")
        return (self.tools.bin("uv") / "uv", "pip", "compile", "--quiet", *python, self.root / "requirements.txt")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured (default: 5)")
    parser.add_argument("--page", type=Path, default=_PAGE, help="the page with the markers to write between")
    parser.add_argument("--directory", type=Path, default=_CHECKOUT / "build" / "benchmarks", help="where to work")
    parser.add_argument("--python", default=find_python(), help="the Python to install all for (default: %(default)s)")
    arguments = parser.parse_args()
    directory = arguments.directory.absolute()
    _say("Installing the tools")
    tools = install_resolvers(directory / "tools", python=arguments.python, checkout=_CHECKOUT)
    root = directory / "resolving"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "requirements.txt").write_text("\n".join(REQUIREMENTS) + "\n")
    # uv's own cache, so that nothing of the user's is in the way, and nothing is left in it.
    os.environ["UV_CACHE_DIR"] = str(root / "uv-cache")
    with relay_pages() as relay:
        place = Place(tools=tools, root=root, runtime=f"python{tools.python_version.rpartition('.')[0]}", relay=relay)
        samples = _measure_all(place, arguments.rounds)
    replace_generated(arguments.page, _format(place, samples, arguments.rounds), part="resolving")
    shutil.rmtree(root)


def _measure_all(place: Place, rounds: int) -> Samples:
    samples: dict[str, list[float]] = {}
    # The round before the first isn't counted: it fills the caches.
    for number in range(rounds + 1):
        for way, seconds in _measure(place):
            _say(f"{number or 'warm-up':<8} {way:<60} {seconds:8.3f} s")
            if number:
                samples.setdefault(way, []).append(seconds)
    return samples


def _measure(place: Place) -> Iterator[tuple[str, float]]:
    """Measure each way once: with the user's index, and with uv also with pages that may be kept."""
    for way in (BY_PIP, PIP, BY_UV, BY_UV_AL2, UV):
        yield way, _time(place.command(way), place)
    os.environ["UV_DEFAULT_INDEX"] = place.relay
    for way in (BY_UV, BY_UV_AL2, UV):
        yield _kept(way), _time(place.command(way), place)
    del os.environ["UV_DEFAULT_INDEX"]


def _kept(way: str) -> str:
    return f"{way}, pages kept"


def _time(command: Command, place: Place) -> float:
    start = time.perf_counter()
    run(command, log=place.root / "log.txt")
    return time.perf_counter() - start


def judge(samples: Samples) -> Iterator[Verdict]:
    """Yield a verdict on each aim."""
    times = median(samples[BY_PIP]) / median(samples[PIP])
    yield Verdict(
        aim=f"by pip: at most {_MOST_TIMES_PIP} times the seconds of {PIP}",
        measured=f"{times:.2f} times",
        met=times <= _MOST_TIMES_PIP,
    )
    for way in (BY_UV, BY_UV_AL2):
        seconds = median(samples[_kept(way)])
        yield Verdict(
            aim=f"{way.removeprefix('ours, ')}, all in uv's cache: under {_MOST_UV_SECONDS} s",
            measured=f"{seconds:.2f} s",
            met=seconds < _MOST_UV_SECONDS,
        )


def _format(place: Place, samples: Samples, rounds: int) -> Iterator[str]:
    versions = {name: place.tools.version(tool, name) for tool, name in (("ours", "pip"), ("uv", "uv"))}
    yield from format_machine(describe_machine(place.tools), rounds, place.runtime)
    yield f"{', '.join(f'{name} {version}' for name, version in versions.items())}."
    yield ""
    yield from format_aims(judge(samples))
    yield ""
    yield from format_table(("", "seconds"), ((way, format_seconds(median(row))) for way, row in samples.items()))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
