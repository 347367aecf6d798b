"""Measure this package beside its peers, and write docs/explanation/performance.md anew.

All ways take turns in each round, so that a machine that gets slower or faster meanwhile does so for all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES, LARGE, Workspace
from benchmarks.environments import install_tools, read_arguments
from benchmarks.measure import FailedError, Sample, Way, measure
from benchmarks.ours import EDITED, FIRST, our_ways
from benchmarks.peers import peer_ways
from benchmarks.report import Failure, Report, describe_machine, describe_versions, write_report

_ALL = (*CASES, LARGE)

Plan = list[tuple[Way, Workspace]]
"""What to measure in a round, in order."""


def main() -> None:
    """Run the benchmark."""
    arguments = read_arguments(__doc__, page="performance.md")
    directory = arguments.directory
    _install_zip()
    _say("Installing the tools")
    tools = install_tools(directory / "tools", python=arguments.python)
    runtime = "python" + tools.python_version().rpartition(".")[0]
    plan, failures = _warm_up(_make_plan((*our_ways(tools), *peer_ways(tools)), directory / "work", runtime))
    samples = [
        sample
        for number in range(arguments.rounds)
        for way, work in plan
        for sample in _measure(way, work, f"{number + 1}/{arguments.rounds}")
    ]
    report = Report(
        machine=describe_machine(tools) | {"zip": "Info-ZIP" if shutil.which("zip") else "Python's zipfile"},
        versions=describe_versions(tools),
        runtime=runtime,
        rounds=arguments.rounds,
        samples=samples,
        failures=failures,
    )
    write_report(report, arguments.page)
    shutil.rmtree(directory / "work")


def _make_plan(ways: Sequence[Way], root: Path, runtime: str) -> Plan:
    """Write the apps, and return what to measure of them."""
    works = {case: Workspace(case, root / case.name.replace(", ", "-").replace(" ", "-"), runtime) for case in _ALL}
    for work in works.values():
        work.write_app()
    # The large case is about our memory alone.
    return [(way, works[case]) for case in _ALL for way in ways if case != LARGE or way.name in {FIRST, EDITED}]


def _warm_up(plan: Plan) -> tuple[Plan, list[Failure]]:
    """Fill all caches by an uncounted round; return what is left of the plan, and the peers that failed in it."""
    able, failures = [], []
    for way, work in plan:
        try:
            _measure(way, work, "warm-up")
        except FailedError as error:
            if way.name.startswith("ours"):
                raise
            reason = error.output.strip().rpartition("\n")[2]
            failures.append(Failure(case=work.case.name, way=way.name, reason=reason))
        else:
            able.append((way, work))
    return able, failures


def _measure(way: Way, work: Workspace, turn: str) -> list[Sample]:
    samples = measure(way, work)
    for sample in samples:
        _say(f"{turn:<8} {sample.case:<26} {sample.way:<38} {sample.seconds:8.3f} s")
    return samples


def _install_zip() -> None:
    """Install Info-ZIP where that is a matter of course; Python's zipfile stands in for it elsewhere."""
    if shutil.which("zip") is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "-qq", "install", "-y", "zip"], stdout=subprocess.DEVNULL, check=False)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
