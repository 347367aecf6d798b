"""The first run by README alone: `python -m benchmarks.first_run [--rounds N] [--page PAGE]`.

From an empty folder to the first synthesized function, in a new virtual environment and with empty caches, by the commands of README's
quickstart as the page has them. Twice: installed from a checkout, and by name from an index on the loopback interface that has our wheel
alone; everything else is from the index that pip asks by default. Node and the CDK CLI, which README requires, are there before.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.aims import Verdict
from benchmarks.environments import CHECKOUT, find_python
from benchmarks.measure import tool_environment
from benchmarks.quickstart import PROJECT, Quickstart, installing, read_quickstart
from benchmarks.report import describe_host, format_aims, format_seconds, format_table, replace_generated
from benchmarks.scale_cold import serve

PART = "first-run"
FROM_CHECKOUT, BY_NAME = "from a checkout", "by name"
REQUIREMENTS = {FROM_CHECKOUT: f"./{PROJECT}", BY_NAME: PROJECT}
# From an empty folder to a synthesized function.
LIMIT = 180.0

_PREREQUISITES = ("node", "cdk")
# Variables by which pip would ask other indexes.
_INDEXES = {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"}


class FailedError(Exception):
    """A command of the quickstart that failed: the README isn't true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One first run, in seconds. `environment` is that of making the virtual environment, `again` that of a second synthesis."""

    way: str
    environment: float
    install: float
    synth: float
    again: float

    @property
    def total(self) -> float:
        """The seconds to the first synthesized function."""
        return self.environment + self.install + self.synth


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1, help="how often each way is measured (default: 1)")
    parser.add_argument("--python", default=find_python(), help="the Python of the reader (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="a page with the markers to write the table between")
    arguments = parser.parse_args()
    quickstart = read_quickstart((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        samples = [*measure(quickstart, Path(folder), python=arguments.python, rounds=arguments.rounds)]
    lines = list(format_report(samples, arguments.rounds, _version_of(arguments.python)))
    print("\n".join(lines))
    if arguments.page:
        replace_generated(arguments.page, lines, part=PART)


def measure(quickstart: Quickstart, folder: Path, *, python: str, rounds: int) -> Iterator[Sample]:
    """Yield the samples of both ways, in turns; our wheel is built before."""
    checkout, wheels = folder / "checkout", folder / "wheels"
    _copy_checkout(checkout)
    _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, checkout], cwd=folder)
    with serve(wheels, folder) as index:
        for number in range(rounds):
            for way in REQUIREMENTS:
                place = folder / str(number) / way.replace(" ", "-")
                further = {"PIP_EXTRA_INDEX_URL": index["PIP_INDEX_URL"]} if way == BY_NAME else {}
                sample = run_quickstart(way, quickstart, place, checkout, python=python, further=further)
                print(sample, file=sys.stderr, flush=True)
                yield sample
                shutil.rmtree(place)


def run_quickstart(
    way: str, quickstart: Quickstart, place: Path, checkout: Path, *, python: str, further: Mapping[str, str]
) -> Sample:
    """Do what a reader does, in a new folder beside which there is the checkout."""
    work, tools, bin_folder = place / "work", place / "tools", place / "work" / ".venv" / "bin"
    for path in (work, tools):
        path.mkdir(parents=True)
    if way == FROM_CHECKOUT:
        (work / PROJECT).symlink_to(checkout)
    for name in _PREREQUISITES:
        (tools / name).symlink_to((CHECKOUT / ".venv" / "bin" / name).resolve())
    environment = fresh_environment(place) | dict(further)
    environment["PATH"] = os.pathsep.join([str(bin_folder), str(tools), environment["PATH"]])
    made = _seconds([[python, "-m", "venv", work / ".venv"]], work, environment)
    installed = _seconds([_shell(installing(quickstart.install, REQUIREMENTS[way]))], work, environment)
    for name, content in quickstart.files:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(content, encoding="utf-8")
    synthesized = _seconds([*map(_shell, quickstart.prepare), _shell(quickstart.synth)], work, environment)
    if not [*(work / "cdk.out").glob("asset.*.zip")]:
        raise FailedError("the quickstart synthesized no package")
    again = _seconds([_shell(quickstart.synth)], work, environment)
    return Sample(way=way, environment=made, install=installed, synth=synthesized, again=again)


def fresh_environment(place: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of a reader with no caches, whose pip isn't configured: it asks its default index, and no other."""
    kept = {name: value for name, value in tool_environment(environ=environ).items() if name not in _INDEXES}
    caches = {
        "PIP_CACHE_DIR": "pip",
        "CDK_LAMBDA_PACKAGE_CACHE_DIR": "store",
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": "jsii",
        "XDG_CACHE_HOME": "cache",
    }
    # Nothing but the index and the index's files is asked.
    return (
        kept
        | {name: str(place / folder) for name, folder in caches.items()}
        | {"PIP_CONFIG_FILE": os.devnull, "CDK_NOTICES": "false", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    )


def format_report(samples: Sequence[Sample], rounds: int, python: str) -> Iterator[str]:
    """Yield the lines of the generated part: the machine, the aim, and a row for each way."""
    machine = describe_host(python)
    count = "One run" if rounds == 1 else f"Medians of {rounds} runs"
    yield f"{count} on {machine['cores']} cores ({machine['machine']}), {machine['system']}, Python {machine['python']}."
    yield ""
    ways = {way: [one for one in samples if one.way == way] for way in dict.fromkeys(one.way for one in samples)}
    yield from format_aims(judge(ways))
    yield ""
    head = ("installed", "virtual environment, s", "install, s", "first synth, s", "together, s", "second synth, s")
    yield from format_table(head, ((way, *_cells(found)) for way, found in ways.items()))


def judge(ways: Mapping[str, Sequence[Sample]]) -> Iterator[Verdict]:
    """Yield a verdict for each way."""
    for way, samples in ways.items():
        total = median(one.total for one in samples)
        aim = f"{way}: a synthesized function in under {LIMIT / 60:.0f} minutes"
        yield Verdict(aim=aim, measured=f"{total:.0f} s", met=total < LIMIT)


def _cells(samples: Sequence[Sample]) -> Iterator[str]:
    for name in ("environment", "install", "synth", "total", "again"):
        yield format_seconds(median(getattr(one, name) for one in samples))


def _shell(command: str) -> list[str | Path]:
    return ["sh", "-c", command]


def _seconds(commands: Sequence[Sequence[str | Path]], cwd: Path, environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    for command in commands:
        _run(command, cwd=cwd, environment=environment)
    return time.perf_counter() - began


def _run(command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise FailedError(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{said}")


def _copy_checkout(folder: Path) -> None:
    """Copy the files that git tracks: what a clone has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)


def _version_of(python: str) -> str:
    shown = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout
    return re.sub(r"[^\d.]", "", shown)


if __name__ == "__main__":
    main()
