"""Running other programs to their end; the only module that starts a process."""

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
    """How a process ended, and what it wrote to stdout and stderr together; `timed_out` if it was ended for taking long."""

    status: int
    output: str
    timed_out: bool = False


Runner = Callable[[Sequence[str], Path, Mapping[str, str]], Finished]


def run_process(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str], *, time_limit: float | None = None
) -> Finished:
    """Run a command to its end; the default `Runner`.

    After `time_limit` seconds it is ended, with all that it started.
    """
    limited = time_limit is not None
    with subprocess.Popen(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own can be ended without ours.
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
