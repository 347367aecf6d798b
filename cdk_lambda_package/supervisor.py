"""Run one command, and end it with all that it started when the library's process is gone or wants it to end.

A script, not a part of the library: `python -I -S supervisor.py REPORT COMMAND…`. It imports little of the standard library,
since it starts with each command.

The first of stdin is a length and a marshalled tuple (see `processes.py`). After that stdin stays open and empty: its other end
is held by the library's process alone, so it closes when that process ends, even by SIGKILL. On POSIX the command has a process
group of its own. How it ended is written to the descriptor REPORT.
"""

import importlib
import marshal
import os
import select
import sys
import time

# The part of `signal` in C: that module's enumerations take longer to import than this script to run.
signal = importlib.import_module("_signal")

Task = tuple[dict[bytes, bytes], bytes, list[str], int]
"""The command's variables and stdin, the command that ends what isn't a process of ours, and the library's process."""

# Seconds between SIGTERM and SIGKILL.
GRACE = 2.0
# Seconds for the command that ends what isn't a process of ours, such as a container.
ENDING = 10.0
# What a command would inherit otherwise: Python ignores two of them, and this script the others.
_RESTORED = ("SIGPIPE", "SIGXFSZ", "SIGTERM", "SIGHUP", "SIGINT")
_CHUNK = 1 << 16
_PR_SET_CHILD_SUBREAPER = 36
# An exit status that no program of Windows has, with the reason why the command can't be started in its lower bits.
NOT_STARTED = 1 << 29


class Command:
    """The running command, and what descends from it; for POSIX."""

    def __init__(self, argv: list[str], environment: dict[bytes, bytes], stdin: int) -> None:
        ignored = {name for name in _RESTORED[2:] if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN}
        restored = [getattr(signal, name) for name in _RESTORED if name not in ignored]
        for name in _RESTORED[2:]:
            # A signal to the whole session must not end this process before the command.
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        self._wake, wakened = os.pipe()
        os.set_blocking(wakened, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakened)
        self.pid = spawn(argv, environment, stdin, restored)
        # After the start, so that the import of ctypes takes no time of the command's.
        adopt_orphans()
        self.status: int | None = None

    def wait(self, feed: int, data: memoryview, parent: int) -> bool:
        """Wait until the command ends by itself, giving it `data` on the way; return False if it has to be ended."""
        while self.status is None:
            readable, writable, _ = select.select([0, self._wake], [feed] if data else [], [], 1.0)
            if writable:
                feed, data = write_some(feed, data)
            if self._wake in readable:
                os.read(self._wake, 4096)
            # A process that our parent forked may hold the pipe, too.
            if (0 in readable and not os.read(0, 1)) or os.getppid() != parent:
                return False
            self.reap()
        return True

    def reap(self) -> None:
        """Take note of the command's end, and of that of adopted processes."""
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self.pid:
                    self.status = os.waitstatus_to_exitcode(found[1])
        except ChildProcessError:
            pass

    def end(self, *, everything: bool) -> None:
        """End what is left of the command's group and, with `everything`, descendants in other groups, where /proc shows them."""
        self._send(signal.SIGTERM, everything)
        kill_at = time.monotonic() + GRACE
        while self._send(0, everything) and time.monotonic() < kill_at:
            time.sleep(0.01)
        give_up_at = time.monotonic() + GRACE
        while self._send(signal.SIGKILL, everything) and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def _send(self, number: int, everything: bool) -> bool:
        """Send a signal, and tell whether there is anything left that gets it."""
        self.reap()
        found = [-self.pid, *(descendants(os.getpid()) if everything else ())]
        reached = [send(target, number) for target in found]
        return any(reached)


def send(target: int, number: int) -> bool:
    """Send a signal to a process, or to a group by its negative number; return False if it is gone."""
    try:
        os.kill(target, number)
    except OSError:
        return False
    return True


def adopt_orphans() -> None:
    """Make processes whose parent ends children of this one, so that they are found; Linux only."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            pass


def descendants(ancestor: int) -> list[int]:
    """Return the living descendants of a process, as far as /proc shows them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                state, parent = stream.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if name.isdigit() and state != b"Z":
            children.setdefault(int(parent), []).append(int(name))
    found, pending = [], [ancestor]
    while pending:
        new = children.pop(pending.pop(), [])
        found += new
        pending += new
    return found


def spawn(argv: list[str], environment: dict[bytes, bytes], stdin: int, restored: list[int]) -> int:
    """Start the command in a process group of its own, as `subprocess` finds it on the PATH of its environment."""
    folders = os.fsdecode(environment.get(b"PATH", os.fsencode(os.defpath))).split(os.pathsep)
    places = [argv[0]] if os.path.dirname(argv[0]) else [os.path.join(folder, argv[0]) for folder in folders]
    failure: OSError = FileNotFoundError(2, os.strerror(2))
    for place in places:
        try:
            actions = [(os.POSIX_SPAWN_DUP2, stdin, 0)]
            return os.posix_spawn(place, argv, environment, file_actions=actions, setpgroup=0, setsigdef=restored)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = error
    raise failure


def write_some(feed: int, data: memoryview) -> tuple[int, memoryview]:
    """Write what fits into the pipe to the command; return -1 once all is written, or the command reads no more."""
    try:
        data = data[os.write(feed, data[:_CHUNK]) :]
    except BlockingIOError:
        return feed, data
    except OSError:
        data = data[:0]
    if data:
        return feed, data
    os.close(feed)
    return -1, data


def run(argv: list[str], report: int, task: Task) -> None:
    """Run the command, and write to `report` how it ended: an exit status as `subprocess` has it, or an error number."""
    environment, data, ending, parent = task
    os.set_inheritable(report, False)
    stdin, feed = os.pipe() if data else (os.open(os.devnull, os.O_RDONLY), -1)
    try:
        command = Command(argv, environment, stdin)
    except OSError as error:
        os.write(report, marshal.dumps((0, error.errno)))
        return
    os.close(stdin)
    if feed >= 0:
        os.set_blocking(feed, False)
    wanted = command.wait(feed, memoryview(data), parent)
    if wanted:
        # Nothing that a command left in the background outlives it; a daemon with a session of its own may.
        command.end(everything=False)
    else:
        command.end(everything=True)
        if ending:
            run_ending(ending, environment)
    os.write(report, marshal.dumps((-signal.SIGKILL if command.status is None else command.status, 0)))


def run_ending(argv: list[str], environment: dict[bytes, bytes]) -> None:
    """Run the command that ends what isn't a process of ours; it gets a limited time."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        command = Command(argv, environment, null)
    except OSError:
        return
    give_up_at = time.monotonic() + ENDING
    while command.status is None and time.monotonic() < give_up_at:
        command.reap()
        time.sleep(0.01)
    command.end(everything=True)


def run_on_windows(argv: list[str], task: Task) -> int:
    """Run the command, and end its tree of processes when stdin closes; return its exit status."""
    import subprocess
    import threading

    environment, data, ending = {os.fsdecode(name): os.fsdecode(value) for name, value in task[0].items()}, *task[1:3]
    try:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE if data else subprocess.DEVNULL)
    except OSError as error:
        return NOT_STARTED | (error.errno or 0)

    def watch() -> None:
        os.read(0, 1)
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
        if ending:
            subprocess.run(ending, env=environment, capture_output=True, timeout=ENDING, check=False)

    threading.Thread(target=watch, daemon=True).start()
    process.communicate(data or None)
    return process.returncode


def read_task() -> Task:
    """Read the tuple that stdin begins with; raise EOFError if the library's process is gone already."""
    content, wanted = b"", 8
    while len(content) < wanted:
        chunk = os.read(0, wanted - len(content))
        if not chunk:
            raise EOFError
        content += chunk
        if wanted == 8 == len(content):
            content, wanted = b"", int.from_bytes(content, "big")
    task: Task = marshal.loads(content)
    return task


def main() -> int:
    """Run the command that the arguments have."""
    report, argv = int(sys.argv[1]), sys.argv[2:]
    try:
        task = read_task()
    except EOFError:
        return 1
    if os.name == "nt":
        return run_on_windows(argv, task)
    run(argv, report, task)
    return 0


if __name__ == "__main__":
    # The descriptors that a daemon still has are not waited for.
    os._exit(main())
