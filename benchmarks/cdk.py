"""Measure what packaging adds to `cdk synth` and `cdk deploy`, and write docs/explanation/performance-cdk.md anew.

Added is what a command takes beyond the same command over the same stack with inline code.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cdk_report import Report, format_sample, write_report
from benchmarks.cdk_runs import (
    COMMANDS,
    Sample,
    Site,
    ask_version,
    fresh_aws,
    measure_command,
    measure_constructors,
    measure_unbundled,
    write_apps,
)
from benchmarks.environments import Tools, install_ours, read_arguments
from benchmarks.report import describe_machine


def main() -> None:
    """Run the benchmark."""
    arguments = read_arguments(__doc__, page="performance-cdk.md", directory="benchmarks-cdk")
    directory = arguments.directory
    _say("Installing this package")
    tools = install_ours(directory / "tools", python=arguments.python)
    work = directory / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    # The turn before the first isn't counted: it fills the store of the many functions, and the caches of all.
    samples = [sample for turn in range(arguments.rounds + 1) for sample in _measure(tools, work, turn) if turn]
    report = Report(
        machine=describe_machine(tools),
        versions=_describe_versions(tools),
        runtime=_runtime(tools),
        rounds=arguments.rounds,
        samples=samples,
    )
    write_report(report, arguments.page)
    shutil.rmtree(work)


def _runtime(tools: Tools) -> str:
    return "python" + tools.python_version().rpartition(".")[0]


def _measure(tools: Tools, work: Path, turn: int) -> Iterator[Sample]:
    """Measure all once, with an AWS that knows nothing yet."""
    with fresh_aws(work) as environment:
        site = Site(root=work, python=tools.python("ours"), runtime=_runtime(tools), environment=environment, turn=turn)
        for sample in _samples(site):
            _say(f"{turn or 'warm-up':<8} {format_sample(sample)}")
            yield sample


def _samples(site: Site) -> Iterator[Sample]:
    if not site.turn:
        _say("Installing what is packaged")
        write_apps(site)
    yield from measure_constructors(site)
    yield from measure_unbundled(site)
    if site.turn:
        for command in COMMANDS:
            yield from measure_command(site, command)


def _describe_versions(tools: Tools) -> dict[str, str]:
    """Return the versions of all that takes part."""
    versions = {name: tools.version("ours", name) for name in ("cdk-lambda-package", "aws-cdk-lib", "pip")}
    return versions | {"CDK CLI": ask_version("cdk"), "node": ask_version("node")}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
