"""Builds as forks of a process that has imported the product, since an interpreter's start takes most of a build's time.

A fork begins with the product's modules and none of its state: the process that is forked has built nothing. It ends as an
interpreter does, and what it starts has the variables that are given here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue

INJECTOR = Path(__file__).with_name("injector.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a build starts; `said` is the file for what it says.

    `at` and `action` are those of the injector: the calls aren't counted where `at` is None.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    said: Path
    note: Path
    at: int | None
    action: str


class Fork:
    """A build that was started; it is waited for and ended as a `subprocess.Popen`."""

    def __init__(self, forks: Forks, server: subprocess.Popen[bytes]) -> None:
        self._forks, self._server = forks, server
        self.returncode: int | None = None

    @cached_property
    def pid(self) -> int:
        """The id of the build's process, as soon as there is one: builds that start at once wait for none of them."""
        return self._answer()

    def wait(self, timeout: float | None = None) -> int:
        """Return the status, which is negative for a signal. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self.pid  # noqa: B018 - the time counts from the start of the process
            if not select.select([self._server.stdout], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("build", timeout or 0)
            self.returncode = self._answer()
            self._forks.idle.put(self._server)
        return self.returncode

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the build has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the build by SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """The processes that are forked, one for each build that runs at the same time.

    They don't have the variable `mark`, by which what a build starts is told.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self.idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def start(self, start: Start) -> Fork:
        """Start a build."""
        try:
            server = self.idle.get_nowait()
        except Empty:
            kept = {name: value for name, value in start.environment.items() if name != self._mark}
            server = _start_server(kept)
        assert server.stdin is not None
        server.stdin.write(json.dumps(_plain(start)).encode() + b"\n")
        return Fork(self, server)

    def close(self) -> None:
        """End the processes, which have no build left."""
        while not self.idle.empty():
            # It ends when its input does.
            self.idle.get().communicate()


def _start_server(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    # Without a buffer, in which an answer could lie unseen.
    return subprocess.Popen([sys.executable, INJECTOR], env=environment, stdin=pipe, stdout=pipe, bufsize=0)


def _plain(start: Start) -> dict[str, object]:
    return {
        "argv": list(map(str, start.argv)),
        "environment": dict(start.environment),
        "folder": str(start.folder),
        "said": str(start.said),
        "note": str(start.note),
        "at": start.at,
        "action": start.action,
    }
