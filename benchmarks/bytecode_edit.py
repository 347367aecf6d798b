"""What an edit costs with bytecode, `slim` and a layer: `python -m benchmarks.bytecode_edit [--rounds N]`.

An app is built by the command line, again and again after edits of its module, in turns: without these options, with bytecode, with
`slim`, with both, and with the requirements in a layer. Requirements are in the store, and each way was built before. The medians are of the whole process, with the
interpreter that compiles: seconds of wall time, and of CPU, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

RUNTIME = "python{}.{}".format(*sys.version_info[:2])
APPS = {
    "boto3": "import boto3\n\ns3 = boto3.client('s3', region_name='eu-west-1')\n",
    "pandas": "import pandas\n",
}
WAYS: dict[str, tuple[str, ...]] = {
    "without": (),
    "bytecode": ("--bytecode", "require"),
    "slim": ("--slim",),
    "both": ("--bytecode", "require", "--slim"),
    "layer": ("--dependencies", "layer"),
}
AIM = 1.3


class Cost(NamedTuple):
    """Seconds of wall time and of CPU."""

    wall: float
    cpu: float


def main() -> None:
    """Measure, and print the rows of each app."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    print(f"{'app':<10}{'':<12}" + "".join(f"{way:>10}" for way in WAYS))
    for name, source in APPS.items():
        with tempfile.TemporaryDirectory() as folder:
            costs = measure(name, source, Path(folder), rounds)
        for kind in Cost._fields:
            seconds = {way: getattr(cost, kind) for way, cost in costs.items()}
            print(f"{name:<10}{f'{kind}, ms':<12}" + "".join(f"{1000 * one:>10.0f}" for one in seconds.values()))
            print(f"{'':<10}{'ratio':<12}" + "".join(f"{one:>10.2f}" for one in ratios(seconds).values()), flush=True)
    print(f"\nThe aim is {AIM} at most.")


def measure(requirement: str, source: str, folder: Path, rounds: int) -> dict[str, Cost]:
    """Return the medians of a build after an edit, by the way."""
    entry = folder / "entry"
    entry.mkdir()
    (entry / "requirements.txt").write_text(f"{requirement}\n")
    found: dict[str, list[Cost]] = {way: [] for way in WAYS}
    # The first round fills the store.
    for number in range(rounds + 1):
        for way, options in WAYS.items():
            edit = f"{source}EDIT = '{number} {way}'\n\n\ndef handler(event, context):\n    return None\n"
            (entry / "app.py").write_text(edit)
            cost = build(entry, folder, options)
            if number:
                found[way].append(cost)
    return {way: Cost(*map(median, zip(*costs, strict=True))) for way, costs in found.items()}


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    """Return each way's seconds beside those of a build without the options."""
    return {way: one / seconds["without"] for way, one in seconds.items()}


def build(entry: Path, folder: Path, options: tuple[str, ...]) -> Cost:
    """Build by the command line, as a user does; return the cost of the whole process."""
    command = [sys.executable, "-m", "cdk_lambda_package", "build", str(entry), "--runtime", RUNTIME, "--output",
               str(folder / "package.zip"), "--cache-dir", str(folder / "store"), "--acknowledge", "requirements-not-locked",
               *options]  # fmt: skip
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, os.times()
    spent = [after.children_user - before.children_user, after.children_system - before.children_system]
    return Cost(wall, sum(spent))


if __name__ == "__main__":
    main()
