"""Run other programs; the only module that starts a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The exit status of a process, and its stdout and stderr together; `timed_out` if it was killed after the time limit."""

    status: int
    output: str
    timed_out: bool = False


Runner = Callable[[Sequence[str], Path, Mapping[str, str]], Finished]


def run_process(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str], *, time_limit: float | None = None
) -> Finished:
    """Run a command and return how it ended; the default `Runner`.

    After `time_limit` seconds the process is killed, with the processes that it started.

    Example:
        `run_process(["git", "--version"], Path.cwd(), os.environ).output`
    """
    limited = time_limit is not None
    with subprocess.Popen(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own can be killed without ours.
        start_new_session=limited,
    ) as process:
        try:
            output, timed_out = process.communicate(timeout=time_limit)[0], False
        except subprocess.TimeoutExpired:
            _end(process, group=limited)
            output, timed_out = process.communicate()[0], True
        except BaseException:
            _end(process, group=limited)
            raise
    return Finished(status=process.returncode, output=output.decode(errors="replace"), timed_out=timed_out)


def _end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    if group and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
