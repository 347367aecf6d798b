"""Locks between processes: one at a time, freed by the dead, and done without where there are none."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cdk_lambda_package.file_locks import acquire, held, release

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom cdk_lambda_package.file_locks import held\n"
    "with held(Path(sys.argv[1]), doing='downloads six-1.17.0.whl'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)
COUNT = (
    "import sys, time\nfrom pathlib import Path\nfrom cdk_lambda_package.file_locks import held\n"
    "for _ in range(20):\n"
    "    with held(Path(sys.argv[1]), doing='counts'):\n"
    "        count = Path(sys.argv[2])\n"
    "        value = int(count.read_text())\n"
    "        time.sleep(0.001)\n"
    "        count.write_text(str(value + 1))\n"
)


@pytest.fixture
def holder(tmp_path):
    """A process that holds a lock for a minute."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    (tmp_path / "count").write_text("0")
    argv = [sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(tmp_path / "count")]
    assert [process.wait() for process in [subprocess.Popen(argv) for _ in range(4)]] == [0] * 4
    assert (tmp_path / "count").read_text() == "80"
    assert not (tmp_path / "lock").exists()


def test_who_waits_is_told_after_two_seconds_whom_for_and_a_killed_holder_frees_the_lock(tmp_path, holder):
    notices = []
    started = time.monotonic()

    def notice(text):
        notices.append((time.monotonic() - started, text))
        os.kill(holder.pid, signal.SIGKILL)

    with held(tmp_path / "lock", doing="downloads it too", notice=notice):
        waited = time.monotonic() - started
    [(after, text)] = notices
    assert text == f"waiting for process {holder.pid}, which downloads six-1.17.0.whl"
    assert 2 <= after <= waited < 30


def test_a_lock_that_is_anothers_isnt_acquired(tmp_path, holder):
    assert acquire(tmp_path / "lock") is None


def test_the_threads_of_a_process_wait_for_each_other(tmp_path):
    inside, most = [], []

    def work():
        with held(tmp_path / "lock", doing="works"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_a_lock_file_that_was_removed_is_no_lock(tmp_path):
    old = acquire(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    new = acquire(tmp_path / "lock")
    assert new is not None
    for descriptor in (old, new):
        release(descriptor, tmp_path / "lock")


@pytest.mark.parametrize("place", ["file/lock", "folder"])
def test_where_no_lock_can_be_taken_work_goes_on(tmp_path, place):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    done = False
    with held(tmp_path / place, doing="works"):
        done = True
    assert done
