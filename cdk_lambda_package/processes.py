"""Run other programs; the only module that starts a process.

Each program runs under `supervisor.py`, which ends it with all that it started as soon as this process ends, however that happens,
or closes the pipe between them. So no child outlives a build, and no signal handler is needed for it: the constructs run in
a process that belongs to the user.

Secrets travel by `input` or by variables. A command line is visible to every user of the machine, and a file outlives a process
that is killed.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, Timer, current_thread, main_thread
from typing import IO, Protocol, Self

from cdk_lambda_package.supervisor import ENDING, GRACE, NOT_STARTED
from cdk_lambda_package.workers import check_end

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Seconds after which a supervisor that was told to end its command is given up.
_END_LIMIT = 2 * GRACE + 1
# Seconds without output, after the end of a command, after which a daemon that still has its streams isn't waited for.
_SILENCE = 0.5
_CHUNK = 1 << 16
# Before each message to a worker, and from it: how many bytes it has.
_HEADER, _HEADER_SIZE = re.compile(rb"message ([0-9a-f]{8})\n"), 17
_COLOURS = ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
# ECMA-48: control sequences (colours), and the strings of operating systems (links, titles) with their ends.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a command ended, and what it wrote.

    Attributes:
        status: Its exit status, or the negative number of the signal that ended it.
        output: What people may read: stdout and stderr together, or with `separate` stderr alone. It has no escape codes.
        result: With `separate`, the bytes of stdout.
        timed_out: True if it was ended after its time limit.
    """

    status: int
    output: str
    result: bytes = b""
    timed_out: bool = False


class Runner(Protocol):
    """What runs a command: `run_process`, or a test's own."""

    def __call__(
        self,
        argv: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        /,
        *,
        input: bytes = b"",  # noqa: A002 - the word of `subprocess`
        separate: bool = False,
        ending: Sequence[str] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run a command in a directory, with these variables."""


def run_process(
    argv: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    /,
    *,
    input: bytes = b"",  # noqa: A002 - the word of `subprocess`
    separate: bool = False,
    ending: Sequence[str] = (),
    time_limit: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Finished:
    """Run a command and return how it ended; the default `Runner`.

    The command and everything that it started are ended when this process ends, when an exception such as `KeyboardInterrupt`
    reaches this call, or after `time_limit` seconds: by SIGTERM, and two seconds later by SIGKILL. On Linux that includes
    daemons with sessions of their own; elsewhere these stay. What a command leaves in the background, in its own process group,
    ends with it.

    Args:
        argv: The program and its arguments, which other users of the machine can see: no secrets.
        directory: The working directory.
        environment: All variables of the command. Its program is searched for on their PATH.
        input: What the command reads from stdin.
        separate: Keep stdout apart, as `Finished.result`.
        ending: A command that is run if this one is ended before its time, for what isn't its descendant: a container.
        time_limit: In seconds.
        on_line: Called on the caller's thread with each line of `Finished.output` as it comes, without its end.

    Raises:
        OSError: The command can't be started.

    Example:
        `run_process(["git", "--version"], Path.cwd(), os.environ).output`
    """
    with _report_pipe() as (report, reporting):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(reporting), *argv],
            bufsize=0,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if separate else subprocess.STDOUT,
            # No signal of the terminal reaches it: it ends by the pipe, and then in order.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            pass_fds=(reporting,) if reporting >= 0 else (),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe:
            try:
                _send_task(pipe, _without_colours(environment), input, ending)
                streams = _Streams(process, separate=separate, on_line=on_line)
                timed_out = streams.read(time_limit)
                if timed_out:
                    pipe.close()
                    streams.read(_END_LIMIT + (ENDING if ending else 0))
                    _give_up(process, 0)
            except BaseException:
                pipe.close()
                _give_up(process, _END_LIMIT)
                raise
        status = _read_status(process, report, argv[0])
    return Finished(status=status, output=streams.text(), result=bytes(streams.result), timed_out=timed_out)


@contextlib.contextmanager
def ending_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block by `SystemExit`, with the status that shells report, so that all is cleaned up.

    For the command line, whose process is its own; the constructs leave the user's process as it is. A signal that is ignored or
    handled already stays so, as SIGHUP under nohup.

    Example:
        ```python
        with ending_by_signals():
            command.run(arguments)
        ```
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, _: object) -> None:
        # A second signal must not stop the cleaning up.
        for one in ours:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    if current_thread() is not main_thread():
        yield
        return
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def start_directly(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str], /, *, time_limit: float
) -> Callable[[], Finished]:
    """Start a program that reads files, writes a result and ends by itself within moments, such as a parser.

    Return a function that waits for its end. If that is dropped without a call, the program is killed. It has no supervisor, whose
    start would take longer than the program. Programs that wait for anything, write files or start others are for `run_process`.
    Raises `OSError` if the program can't be started.

    Example:
        ```python
        finish = start_directly(["ruff", "check", "app.py"], Path.cwd(), os.environ, time_limit=60)
        print(finish().output)
        ```
    """
    process = subprocess.Popen(
        argv,
        cwd=directory,
        env=_without_colours(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    def finish() -> Finished:
        try:
            output, _ = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            return Finished(status=-9, output=_readable(output), timed_out=True)
        return Finished(status=process.returncode, output=_readable(output))

    weakref.finalize(finish, _abandon, process)
    return finish


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """End a process that is not waited for, if it isn't over."""
    if process.returncode is None:
        process.kill()
        process.communicate()


class Worker:
    """A program that answers messages, and ends with its input, which this process closes whenever it ends.

    It reads its messages with `messages_in`, and answers with `write_message`.

    Example:
        ```python
        with Worker([sys.executable, "-P", "-m", "shout"], os.environ) as worker:
            worker.ask(b"hello", time_limit=5)  # b"HELLO"
        ```
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program. Raises `OSError`."""
        self._process = subprocess.Popen(
            argv,
            env=_without_colours(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, message: bytes, *, time_limit: float) -> bytes:
        """Return the answer to a message; after `time_limit` seconds, the program is ended.

        Raises `OSError` if the program ends without an answer.
        """
        (answer,) = self.answers(message, number=1, time_limit=time_limit)
        return answer

    def answers(self, message: bytes, *, number: int, time_limit: float) -> Iterator[bytes]:
        """Yield the answers to a message, so many, each as soon as it is there; otherwise as `ask`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        timer = Timer(time_limit, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            write_message(message, self._process.stdin)
            answers = messages_in(self._process.stdout)
            for _ in range(number):
                answer = next(answers, None)
                if answer is None:
                    raise OSError("the program ended without an answer, or took too long")
                yield answer
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the program, whatever it does."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._process.communicate()


def messages_in(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the messages in a stream, up to its end or to something else than a message."""
    while (header := _HEADER.fullmatch(stream.read(_HEADER_SIZE))) is not None:
        message = stream.read(int(header[1], 16))
        if len(message) < int(header[1], 16):
            return
        yield message


def write_message(message: bytes, stream: IO[bytes]) -> None:
    """Write a message to a stream. Raises `OSError`."""
    stream.write(b"message %08x\n" % len(message))
    stream.write(message)
    stream.flush()


def with_temporary(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables with a directory for temporary files: a command that is killed leaves these where they are swept.

    Example:
        `run_process(argv, folder, with_temporary(os.environ, workspace))`
    """
    return {**environment, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}


class _Streams:
    """What the command writes, read by threads and collected on the caller's."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, separate: bool, on_line: Callable[[str], None] | None
    ) -> None:
        self._process, self._on_line = process, on_line
        self._chunks: SimpleQueue[tuple[bytearray, bytes]] = SimpleQueue()
        self.result, self._output, self._shown = bytearray(), bytearray(), 0
        pairs = ((process.stdout, self.result if separate else self._output), (process.stderr, self._output))
        streams = [(stream, kept) for stream, kept in pairs if stream is not None]
        self._open = len(streams)
        # Daemons, since what holds a stream for ever mustn't hold this process.
        self._threads = [Thread(target=self._pump, args=pair, daemon=True) for pair in streams]
        for thread in self._threads:
            thread.start()

    def _pump(self, stream: IO[bytes], kept: bytearray) -> None:
        with stream:
            while chunk := stream.read(_CHUNK):
                self._chunks.put((kept, chunk))
        self._chunks.put((kept, b""))

    def read(self, seconds: float | None) -> bool:
        """Collect what is written until the command is done; return True if it isn't after these seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        quiet_since = time.monotonic()
        while self._open:
            try:
                kept, chunk = self._chunks.get(timeout=0.1 if end is None else min(0.1, max(end - time.monotonic(), 0)))
            except Empty:
                check_end()
                now = time.monotonic()
                if self._process.poll() is None:
                    # Silence counts from the end: what the command wrote last may still be on its way through a thread.
                    quiet_since = now
                elif now - quiet_since > _SILENCE:
                    return False
                if end is not None and now >= end:
                    return True
                continue
            quiet_since = time.monotonic()
            if chunk:
                kept += chunk
                self._show_lines(self._output.rfind(b"\n") + 1)
            else:
                self._open -= 1
        self._process.wait()
        # None is left when the interpreter is finalized.
        for thread in self._threads:
            thread.join()
        self._show_lines(len(self._output))
        return False

    def _show_lines(self, end: int) -> None:
        if self._on_line is not None and end > self._shown:
            text = self._output[self._shown : end].decode(errors="replace")
            self._shown = end
            for line in text.splitlines():
                self._on_line(line)

    def text(self) -> str:
        return _readable(self._output)


def _readable(output: bytes | bytearray) -> str:
    return _ESCAPES.sub("", output.decode(errors="replace"))


def _without_colours(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that turn colours on where there is no terminal.

    `cdk` sets FORCE_COLOR=0, which means "off" to node, and "on" to rich, with which pip and others write.
    """
    return {name: value for name, value in environment.items() if name not in _COLOURS}


@contextlib.contextmanager
def _report_pipe() -> Iterator[tuple[int, int]]:
    """Lend the two ends of the pipe by which a supervisor says how its command ended; -1 on Windows, where it exits so."""
    if os.name == "nt":
        yield -1, -1
        return
    report, reporting = os.pipe()
    try:
        yield report, reporting
    finally:
        os.close(report)
        with contextlib.suppress(OSError):
            os.close(reporting)


def _send_task(pipe: IO[bytes], environment: Mapping[str, str], content: bytes, ending: Sequence[str]) -> None:
    # As bytes: the supervisor may have another encoding than this process, which can be in UTF-8 mode.
    variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    task = marshal.dumps((variables, content, [*ending], os.getpid()))
    frame = memoryview(len(task).to_bytes(8, "big") + task)
    # A supervisor that can't be started is gone already; its status says so.
    with contextlib.suppress(BrokenPipeError):
        while frame:
            frame = frame[pipe.write(frame) :]


def _give_up(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a supervisor that was told to end its command, and kill it after these seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_status(process: subprocess.Popen[bytes], report: int, program: str) -> int:
    """Return the status of a command whose supervisor has ended; raises `OSError` if it couldn't be started."""
    code: int = process.wait()
    status, fault = code, 0
    if report >= 0:
        content = os.read(report, _CHUNK)
        # Without a report, the supervisor itself was killed.
        status, fault = marshal.loads(content) if content else (code or 1, 0)
    elif code & NOT_STARTED == NOT_STARTED and code >> 29 == 1:
        fault = code & ~NOT_STARTED
    if fault:
        raise OSError(fault, os.strerror(fault), program)
    return status
