"""Running other programs: to their end, or to the end of the time that they have."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cdk_lambda_package.processes import run_process


def run(code: str, **options):
    return run_process([sys.executable, "-c", code], Path.cwd(), dict(os.environ), **options)


def test_a_process_says_how_it_ended_and_what_it_wrote():
    done = run("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.status, done.output, done.timed_out) == (3, "out\nerr\n", False)


def test_a_process_within_its_time_is_left_alone():
    done = run("print('done')", time_limit=60)
    assert (done.status, done.output, done.timed_out) == (0, "done\n", False)


@pytest.mark.needs("process groups")
def test_a_process_beyond_its_time_is_ended_with_all_that_it_started(tmp_path):
    pid = tmp_path / "pid"
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pid)!r}, "w").write(str(child.pid))
print("started", flush=True)
time.sleep(600)
"""
    done = run(code, time_limit=3)
    assert (done.status, done.output, done.timed_out) == (-signal.SIGKILL, "started\n", True)
    assert is_gone(int(pid.read_text()))


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended: it may be a moment until somebody has taken note of that."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False
