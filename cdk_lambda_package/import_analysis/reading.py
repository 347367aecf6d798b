"""Reads many modules, half of them in another process: reading keeps a core busy, and one process uses one.

The other process is a program that gets sources and answers with what they say. Neither a fork nor multiprocessing would do: the
first copies the threads' locks of an app of the CDK, and the second imports the app's main module once more. If the process fails
for any reason, all is read here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Self

import msgspec

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.import_analysis.facts import ModuleFacts
from cdk_lambda_package.processes import Worker, messages_in, write_message
from cdk_lambda_package.target import PythonVersion
from cdk_lambda_package.workers import core_count

ReadModule = Callable[[bytes, PythonVersion], ModuleFacts]
"""Returns what a source says; a function of a module, which the other process imports."""

# Starting a process takes as long as reading so many bytes, and a message to it as long as reading so many.
WORTH_A_PROCESS, _WORTH_A_MESSAGE = 1_000_000, 50_000

_TIME_LIMIT = 300.0
"""Seconds; the source of the largest packages takes a few."""


class ModuleReader:
    """Reads modules for a version of Python; the other process is started once there are more bytes than are `worth` it.

    Example:
        ```python
        with ModuleReader(read_module, (3, 13)) as reader:
            reader.read({"app.py": b"import yaml"})["app.py"].imports[0].module  # "yaml"
        ```
    """

    def __init__(self, read: ReadModule, python: PythonVersion, *, worth: int = WORTH_A_PROCESS) -> None:
        """Read nothing yet."""
        self._read, self._python, self._worth = read, python, worth if core_count() > 1 else sys.maxsize
        self._resources = ExitStack()
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def read(self, sources: Mapping[str, bytes]) -> dict[str, ModuleFacts]:
        """Return the facts of sources by their names."""
        size = sum(map(len, sources.values()))
        others: dict[str, bytes] = {}
        left = size // 2 if size > self._worth else 0
        for name, source in sources.items():
            if left > 0:
                others[name] = source
                left -= len(source)
        if not others:
            return {name: self._read(source, self._python) for name, source in sources.items()}
        # Imported here: after an edit, a few modules are read.
        from concurrent.futures import ThreadPoolExecutor

        facts: dict[str, ModuleFacts] = {}
        with ThreadPoolExecutor(max_workers=1) as pool:
            pending = pool.submit(self._read_elsewhere, others)
            try:
                facts.update((name, self._read(sources[name], self._python)) for name in sources.keys() - others.keys())
                facts.update(pending.result())
            except BaseException:
                self._give_up()
                raise
        return {
            name: facts[name] if name in facts else self._read(source, self._python) for name, source in sources.items()
        }

    def _read_elsewhere(self, sources: Mapping[str, bytes]) -> dict[str, ModuleFacts]:
        """Return the facts of sources, read in the other process; none if it doesn't do its work."""
        try:
            if self._worker is None:
                self._worker = self._resources.enter_context(Worker(*self._program()))
                self._worth = _WORTH_A_MESSAGE
            answer = self._worker.ask(
                msgspec.json.encode((self._python, list(sources.values()))), time_limit=_TIME_LIMIT
            )
            return dict(zip(sources, decode(answer, list[ModuleFacts]), strict=True))
        except (OSError, ValueError, msgspec.MsgspecError):
            self._give_up()
            return {}

    def _give_up(self) -> None:
        self._worth = sys.maxsize
        if self._worker is not None:
            self._worker.end()

    def _program(self) -> tuple[list[str], dict[str, str]]:
        read = self._read
        work = f"from {__name__} import serve; from {read.__module__} import {read.__name__} as read; serve(read)"
        # -P: the working directory isn't searched for modules.
        path = os.pathsep.join(filter(None, sys.path))
        return [sys.executable, "-P", "-c", work], {**os.environ, "PYTHONPATH": path}


def serve(read: ReadModule) -> None:
    """Read the sources that come as messages, and answer with what they say: what the other process does."""
    for message in messages_in(sys.stdin.buffer):
        python, sources = decode(message, tuple[PythonVersion, list[bytes]])
        write_message(msgspec.json.encode([read(source, python) for source in sources]), sys.stdout.buffer)
