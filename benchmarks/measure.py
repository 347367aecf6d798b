"""Running a way once, and what it took: wall time, peak memory, size of the output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.cases import Workspace

# Linux counts `ru_maxrss` in KiB, macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A process to run; `tools` is the directory in which it and what it starts find their tools first."""

    argv: Sequence[str | Path]
    cwd: Path
    tools: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A way to package. Only `commands` are timed, from the first one's start to the last one's end.

    A process of ours can time things inside itself instead; `inner` then names them after the first, which is `name`.
    """

    name: str
    inner: tuple[str, ...] = ()
    prepare: Callable[[Workspace], None]
    commands: Callable[[Workspace], Sequence[Command]]
    output: Callable[[Workspace], Path] = field(default=lambda work: work.output)


class FailedError(Exception):
    """A process that ended with an error. `output` is what it wrote."""

    def __init__(self, command: Command, status: int, output: str) -> None:
        self.output = output
        super().__init__(f"{' '.join(map(str, command.argv))} ended with {status}:\n{output}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One measurement. Memory is in bytes at its peak, of the largest process.

    `memory` is our own process's where that runs ours, and `children` that of the largest process that it started, pip
    for instance (0 if none). Of a peer, `memory` is that of the largest process in its tree.
    """

    case: str
    way: str
    seconds: float
    memory: int
    children: int
    size: int


def measure(way: Way, work: Workspace) -> list[Sample]:
    """Run a way once, an earlier run having left nothing behind but caches; return a sample for each thing timed."""
    shutil.rmtree(work.build, ignore_errors=True)
    work.build.mkdir()
    work.result.unlink(missing_ok=True)
    way.prepare(work)
    commands = way.commands(work)
    start = time.perf_counter()
    memory = max(run(command, log=work.root / "log.txt") for command in commands)
    seconds = time.perf_counter() - start
    result = json.loads(work.result.read_text()) if work.result.exists() else {}
    return [
        Sample(
            case=work.case.name,
            way=name,
            seconds=value,
            memory=result.get("memory", memory),
            children=result.get("children", 0),
            size=way.output(work).stat().st_size,
        )
        for name, value in zip((way.name, *way.inner), result.get("seconds") or [seconds], strict=False)
    ]


def run(command: Command, *, log: Path) -> int:
    """Run a process, its output going to a file; return the peak memory of the largest process in its tree, in bytes.

    Raises `FailedError` if the process fails: no number may come of half the work.
    """
    with log.open("w+b") as stream:
        process = subprocess.Popen(
            [str(argument) for argument in command.argv],
            cwd=command.cwd,
            env=tool_environment(command.tools),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(command, process.returncode, log.read_text(errors="replace"))
    return usage.ru_maxrss * _RSS_UNIT


def tool_environment(tools: Path | None = None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a process, without what would make Python there differ from a user's.

    Modules from elsewhere, for example, or a ban on writing compiled ones.
    """
    cleaned = {name: value for name, value in environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return cleaned | {
        "PATH": os.pathsep.join([str(tools), environ["PATH"]]) if tools else environ["PATH"],
        # Nothing but the packaging is to be timed: no looking for newer versions, no telemetry.
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The medians of a way's samples."""

    seconds: float
    memory: int
    children: int
    size: int


def summarise(samples: Sequence[Sample]) -> dict[tuple[str, str], Summary]:
    """Return the medians by case and way, in the order in which these were first measured."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.way), []).append(sample)
    return {
        key: Summary(
            seconds=median(sample.seconds for sample in group),
            memory=round(median(sample.memory for sample in group)),
            children=round(median(sample.children for sample in group)),
            size=round(median(sample.size for sample in group)),
        )
        for key, group in groups.items()
    }
