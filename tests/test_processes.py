"""Running other programs: to their end, to the end of the time that they have, or to the end of the process that started them."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cdk_lambda_package.processes import run_process, start_directly

# Starts a child, and a daemon with a session of its own, and writes their ids and its own.
FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
pids = [os.getpid(), subprocess.Popen(sleep, **quiet).pid, subprocess.Popen(sleep, start_new_session=True, **quiet).pid]
open(sys.argv[1] + ".new", "w").write(" ".join(map(str, pids)))
os.rename(sys.argv[1] + ".new", sys.argv[1])
print("started", flush=True)
time.sleep(float(sys.argv[2]))
"""


def run(code: str, *arguments: str, **options):
    return run_process([sys.executable, "-c", code, *arguments], Path.cwd(), dict(os.environ), **options)


def test_a_process_says_how_it_ended_and_what_it_wrote():
    done = run("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.status, done.output, done.timed_out) == (3, "out\nerr\n", False)


def test_a_process_within_its_time_is_left_alone():
    done = run("print('done')", time_limit=60)
    assert (done.status, done.output, done.timed_out) == (0, "done\n", False)


def test_what_is_sent_to_stdin_and_written_to_stdout_may_be_larger_than_a_pipe():
    sent = os.urandom(3_000_000)
    code = "import sys; print('words', file=sys.stderr); sys.stdout.buffer.write(sys.stdin.buffer.read())"
    done = run(code, input=sent, separate=True)
    assert (done.status, done.output, done.result == sent) == (0, "words\n", True)


@pytest.mark.parametrize("sent", [b"x", b"x" * 1_000_000], ids=["little", "much"])
def test_a_process_may_leave_unread_what_is_sent_to_it(sent):
    assert run("print('done')", input=sent).output == "done\n"


def test_stdin_is_empty_where_nothing_is_sent():
    assert run("import sys; print(repr(sys.stdin.read()))").output == "''\n"


def test_lines_are_passed_on_as_they_come():
    times = {}
    code = "import time; print('one', flush=True); time.sleep(1); print('two\\nthree', end='')"
    done = run(code, on_line=lambda line: times.setdefault(line, time.monotonic()))
    assert list(times) == done.output.split() == ["one", "two", "three"]
    assert times["two"] - times["one"] > 0.5


def test_an_error_in_what_takes_the_lines_ends_the_process(tmp_path):
    def fail(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="started"):
        run(FAMILY, str(tmp_path / "pids"), "600", on_line=fail)
    assert all(map(is_gone, read_pids(tmp_path / "pids")))


@pytest.mark.needs("process groups")
def test_a_signal_that_ends_a_process_is_its_status():
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").status == -signal.SIGSEGV


@pytest.mark.parametrize(
    ("program", "error"), [("no-such-program", FileNotFoundError), ("./no-such-program", FileNotFoundError)]
)
def test_a_program_that_is_missing_is_named(program, error):
    with pytest.raises(error) as raised:
        run_process([program], Path.cwd(), dict(os.environ))
    assert raised.value.filename == program


@pytest.mark.needs("process groups")
def test_a_file_that_is_no_program_is_refused_by_the_system(tmp_path):
    (tmp_path / "tool").write_text("text")
    with pytest.raises(PermissionError):
        run_process(["tool"], tmp_path, {"PATH": str(tmp_path)})
    with pytest.raises(FileNotFoundError):
        run_process(["tool"], tmp_path / "missing", {"PATH": str(tmp_path)})


@pytest.mark.needs("process groups")
def test_a_program_is_found_on_the_path_of_its_own_variables_and_sees_no_others(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\necho $0 $ONLY $HOME\n")
    (tmp_path / "tool").chmod(0o755)
    done = run_process(["tool"], tmp_path, {"PATH": f"/none:{tmp_path}", "ONLY": "caf\udce9"})
    assert done.output == f"{tmp_path}/tool caf\ufffd\n"


@pytest.fixture
def in_the_foreground():
    """Shells have SIGINT ignored by what they start in the background, and children inherit that."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.needs("process groups")
@pytest.mark.parametrize("name", ["SIGPIPE", "SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.usefixtures("in_the_foreground")
def test_a_process_gets_signals_as_usual(name):
    code = f"import signal; print(signal.getsignal(signal.{name}) is signal.SIG_IGN)"
    shell = "trap - PIPE; kill -{} $$; echo survived".format(name.removeprefix("SIG"))
    assert run_process(["sh", "-c", shell], Path.cwd(), dict(os.environ)).status == -getattr(signal, name)
    # CPython itself ignores SIGPIPE.
    assert run(code).output == f"{name == 'SIGPIPE'}\n"


@pytest.mark.needs("process groups")
def test_a_process_beyond_its_time_is_ended_with_all_that_it_started(tmp_path):
    done = run(FAMILY, str(tmp_path / "pids"), "600", time_limit=2)
    assert (done.status, done.output, done.timed_out) == (-signal.SIGTERM, "started\n", True)
    assert all(map(is_gone, read_pids(tmp_path / "pids")))


@pytest.mark.needs("process groups")
def test_a_process_that_ignores_sigterm_is_killed():
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    done = run(code, time_limit=1)
    assert (done.status, done.output, done.timed_out) == (-signal.SIGKILL, "on\n", True)


@pytest.mark.needs("process groups")
def test_what_a_process_leaves_in_the_background_ends_with_it(tmp_path):
    done = run(FAMILY, str(tmp_path / "pids"), "0")
    _, child, daemon = read_pids(tmp_path / "pids")
    assert (done.status, is_gone(child)) == (0, True)
    # A daemon, such as a compiler's cache, is meant to stay.
    assert Path(f"/proc/{daemon}").exists()
    os.kill(daemon, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a session of its own isn't left alone")
def test_what_comes_shortly_after_the_end_is_read_however_long_the_command_was_silent():
    daemon = "import time; time.sleep(1.1); print('late')"
    code = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", {daemon!r}], start_new_session=True)
time.sleep(0.9)
"""
    assert run(code).output == "late\n"


@pytest.mark.needs("process groups")
def test_a_daemon_that_keeps_the_streams_is_not_waited_for(tmp_path):
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid)
"""
    started = time.monotonic()
    done = run(code)
    assert time.monotonic() - started < 30
    os.kill(int(done.output), signal.SIGKILL)


@pytest.mark.needs("process groups")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"])
def test_nothing_outlives_the_process_that_started_it(tmp_path, name):
    """Whatever ends it: the process that started a command is a library's user here, without handlers."""
    pids, ended = tmp_path / "pids", tmp_path / "ended"
    code = f"""
import os, signal, sys
from pathlib import Path
from cdk_lambda_package.processes import run_process, start_directly
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have it ignored by what they start in the background
command = [sys.executable, "-c", {FAMILY!r}, {str(pids)!r}, "600"]
run_process(command, Path.cwd(), dict(os.environ), ending=["touch", {str(ended)!r}])
"""
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE) as parent:
        wait_for(pids.exists)
        parent.send_signal(getattr(signal, name))
    assert all(map(is_gone, read_pids(pids)))
    wait_for(ended.exists)


@pytest.mark.needs("process groups")
def test_a_command_that_ends_by_itself_needs_no_ending(tmp_path):
    done = run("print('done')", ending=["touch", str(tmp_path / "ended")])
    assert (done.output, [*tmp_path.iterdir()]) == ("done\n", [])


def read_pids(path: Path) -> list[int]:
    return [*map(int, path.read_text().split())]


def wait_for(condition, *, seconds: float = 10) -> None:
    """Wait until a condition holds; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "CLICOLOR_FORCE"])
def test_a_process_is_not_told_to_write_colours(variable, monkeypatch):
    monkeypatch.setenv(variable, "0")
    assert run(f"import os; print({variable!r} in os.environ)").output == "False\n"


@pytest.mark.parametrize(
    "written",
    [
        r"\x1b[31;1mtext\x1b[0m",
        r"\x1b[2K\x1b[1Atext\x1b[?25h",
        r"\x1b]8;;http://host/\x1b\\text\x1b]8;;\x07",
        r"text\x1b[",
    ],
)
def test_output_has_no_escape_codes(written):
    assert run(f"print('{written}')").output.rstrip("[\n") == "text"


def start(code: str, *arguments: str, time_limit: float = 60):
    argv = [sys.executable, "-c", code, *arguments]
    return start_directly(argv, Path.cwd(), dict(os.environ), time_limit=time_limit)


def test_a_program_that_was_started_is_at_work_before_it_is_waited_for(tmp_path):
    finish = start("import sys; open(sys.argv[1], 'w').close(); print('done')", str(tmp_path / "made"))
    until((tmp_path / "made").exists)
    done = finish()
    assert (done.status, done.output, done.timed_out) == (0, "done\n", False)


def test_a_program_that_was_started_ends_after_its_time():
    done = start("import time; print('begun', flush=True); time.sleep(600)", time_limit=2)()
    assert (done.status, done.timed_out) == (-9, True)


def test_a_program_that_is_not_waited_for_is_killed(tmp_path):
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    finish = start(code, str(tmp_path / "pid"))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    del finish
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def until(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
