"""What one process uses in the store, no other removes; what dead processes left goes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cdk_lambda_package.file_locks import held
from cdk_lambda_package.store import FORMAT, Store
from cdk_lambda_package.store_use import Use, removing

KEY, OTHER = "ab" * 32, "cd" * 32
USE = (
    "import sys, time\nfrom pathlib import Path\nfrom cdk_lambda_package.store import Store\n"
    "store = Store(Path(sys.argv[1]))\n"
    "with store.workspace() as workspace:\n"
    "    (workspace / 'half').write_bytes(b'x')\n"
    "    print(store.find('segments', sys.argv[2]), flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture
def user(store):
    """Another process, which uses one of two segments and writes something."""
    for key in (KEY, OTHER):
        store.add(lambda stream: stream.write(b"content"), "segments", key)
    process = subprocess.Popen([sys.executable, "-c", USE, str(store.root), KEY], stdout=subprocess.PIPE, text=True)
    assert KEY in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_clearing_leaves_what_another_process_uses_and_writes(store, user):
    Store(store.root).clear()
    assert len(list((store.root / FORMAT / "segments").iterdir())) == 2, "this process has made both"
    store.clear()
    assert [path.name for path in (store.root / FORMAT / "segments").iterdir()] == [KEY]
    assert len(list((store.root / FORMAT / "tmp").rglob("half"))) == 1


def test_after_a_process_was_killed_all_it_used_and_wrote_can_go(store, user):
    os.kill(user.pid, signal.SIGKILL)
    user.wait()
    store.clear()
    assert list(store.root.iterdir()) == []


def test_a_new_process_sweeps_what_a_killed_one_left(store, user):
    os.kill(user.pid, signal.SIGKILL)
    user.wait()
    assert len(list((store.root / FORMAT / "tmp").rglob("half"))) == 1
    with Store(store.root).workspace():
        assert list((store.root / FORMAT / "tmp").rglob("half")) == []


def test_an_entry_that_is_noted_during_a_removal_is_looked_for_after_it(tmp_path):
    """Whoever removes has read the notes by then, so the one who notes has to wait."""
    use, events = Use(tmp_path), []

    def note():
        use.note("segments/x")
        events.append("noted")

    with removing(tmp_path, "clears the store") as used:
        thread = threading.Thread(target=note)
        thread.start()
        time.sleep(0.3)
        assert used == set()
        events.append("removed")
    thread.join()
    assert events == ["removed", "noted"]
    with removing(tmp_path, "clears the store") as used:
        assert used == {"segments/x"}
    use.close()
    assert not tmp_path.exists()


def test_a_removal_whose_process_is_dead_holds_nobody_up(tmp_path):
    (tmp_path / "removal").write_bytes(b"\nprocess 1, which clears the store")
    use = Use(tmp_path)
    use.note("segments/x")
    with held(tmp_path / "removal", doing="looks"), removing(tmp_path / "other", "clears") as used:
        assert used == set()
    use.close()


def test_a_user_that_ends_leaves_nothing(store):
    code = f"from pathlib import Path\nfrom cdk_lambda_package.store import Store\nStore(Path({str(store.root)!r})).place('segments', 'x')"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert not (store.root / FORMAT / "tmp").exists()


def test_the_overlay_of_a_killed_process_is_swept_by_the_next(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = (
        f"import os, signal\nfrom pathlib import Path\nfrom cdk_lambda_package.store import Store\n"
        f"store = Store(Path({str(tmp_path / 'file')!r}))\nstore.write(b'x', 'records', 'k')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)})
        assert len(list(temporary.iterdir())) == 1
