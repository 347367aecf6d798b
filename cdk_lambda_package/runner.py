"""Running other programs: the only module that starts a process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a process ended, and what it wrote to stdout and stderr together."""

    status: int
    output: str


Runner = Callable[[Sequence[str], Path, Mapping[str, str]], Finished]


def run_process(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Finished:
    """Run a command to its end; the default `Runner`."""
    done = subprocess.run(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return Finished(status=done.returncode, output=done.stdout.decode(errors="replace"))
