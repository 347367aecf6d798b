"""Programs that run in the background of this one: waited for, and stopped with all that they started."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TypeVar

Answer = TypeVar("Answer")


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background, and stop it with everything that it started."""
    with log.open("w") as output, started(command, output, environment=environment, cwd=cwd) as process:
        yield process


def run(command: Sequence[str], *, environment: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; if this program is stopped before, so is all that the command started."""
    with started(command, subprocess.PIPE, environment=environment, cwd=cwd) as process:
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@contextmanager
def started(
    command: Sequence[str], output: IO[str] | int, *, environment: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[str]]:
    """Start a command with its output to a file or a pipe; when the block ends, it and its children do too."""
    with ExitStack() as deferred:
        # A signal that ends this program while the other one starts would leave it running.
        deferred.enter_context(deferred_signals())
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=dict(environment), cwd=cwd, text=True, start_new_session=True
        )
        resume = deferred.pop_all().close
    try:
        resume()
        yield process
    finally:
        # Of one that was seen to end, the id may be another's by now.
        if process.returncode is None:
            stop(process)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait until the block ends; only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for one in came:
            signal.raise_signal(one)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process that leads a group, and its children with it."""
    # Its id names its group too, and nothing else.
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(
    look: Callable[[], Answer | None], process: subprocess.Popen[str], log: Path, *, seconds: float = 30
) -> Answer:
    """Return what `look` finds once that isn't None.

    Raises RuntimeError with the process's log if it ends before, or if that takes too long.
    """
    deadline = time.monotonic() + seconds
    while True:
        status = process.poll()
        if status is None and (found := look()) is not None:
            return found
        if status is not None or time.monotonic() > deadline:
            ended = f"is not ready after {seconds} s" if status is None else f"ended with {status}"
            raise RuntimeError(f"{process.args!r} {ended}:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def wait_for_port(port: int, process: subprocess.Popen[str], log: Path) -> int:
    """Return the port when something listens on it; raises as `wait_for`."""

    def connect() -> int | None:
        with socket.socket() as client:
            return None if client.connect_ex(("127.0.0.1", port)) else port

    return wait_for(connect, process, log)
