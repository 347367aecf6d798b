"""Processes that examine packages for this one: the analysis of imports keeps a core busy, and one process of Python uses one.

They are programs that get requests and answer with whether the store has the result now. As for the second reader of modules
(`import_analysis/reading.py`), neither a fork nor multiprocessing would do. Whatever fails there is done here again, and says here
what is wrong.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from cdk_lambda_package.processes import Worker, messages_in, write_message
from cdk_lambda_package.workers import core_count, waiting

WORTH = 1_000_000
"""Bytes of Python sources from which on it takes longer to analyse a package than to have it done elsewhere."""

# Each of them takes about 150 MB.
_MOST = 8
# Seconds. The largest packages take half a minute on slow machines.
_TIME_LIMIT = 600.0


class Examiners:
    """As many processes as there are cores, each started when it is needed; for threads that wait for them.

    Example:
        ```python
        examiners = Examiners(store.root)
        if examiners.examine(request, sharing):
            summary = store.recall(Summary, key)
        examiners.end()
        ```
    """

    def __init__(self, root: Path) -> None:
        """Start nothing yet; the processes use the store at `root`."""
        self._root = root
        self._idle: SimpleQueue[Worker | None] = SimpleQueue()
        self._workers: list[Worker] = []
        self._is_ended = False
        for _ in range(min(core_count(), _MOST)):
            self._idle.put(None)

    def examine(self, *question: object) -> bool:
        """Have the arguments of `pipeline.examine_here` examined; return False if that isn't possible, or failed."""
        try:
            message = pickle.dumps((str(self._root), question))
        except (pickle.PicklingError, AttributeError, TypeError):
            return False
        with waiting():
            worker = self._idle.get()
        try:
            if self._is_ended:
                return False
            worker = worker or self._start()
            return worker.ask(message, time_limit=_TIME_LIMIT) == b"done"
        except OSError:
            if worker is not None:
                worker.end()
                worker = None
            return False
        finally:
            self._idle.put(worker)

    def _start(self) -> Worker:
        # -P: the working directory isn't searched for modules.
        program = (
            f"from {__name__} import serve; from cdk_lambda_package.pipeline import examine_here; serve(examine_here)"
        )
        path = os.pathsep.join(filter(None, sys.path))
        worker = Worker([sys.executable, "-P", "-c", program], {**os.environ, "PYTHONPATH": path})
        self._workers.append(worker)
        return worker

    def end(self) -> None:
        """End all processes; threads that wait for one get False."""
        self._is_ended = True
        for worker in self._workers:
            worker.end()


def serve(examine: Callable[..., Any]) -> None:
    """Examine what the messages on stdin ask for, until it ends: what such a process does."""
    # A process of our own, with memory for what a package's modules say: most of it is freed without a collection.
    gc.disable()
    questions: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(questions,), daemon=True).start()
    while True:
        root, question = pickle.loads(questions.get())  # noqa: S301 - by the process that started this one
        try:
            examine(Path(root), *question)
            answer = b"done"
        except Exception:  # noqa: BLE001 - the other process does it again, and reports it
            answer = b"failed"
        gc.collect()
        write_message(answer, sys.stdout.buffer)


def _listen(questions: SimpleQueue[bytes]) -> None:
    for message in messages_in(sys.stdin.buffer):
        questions.put(message)
    # The process that asked is gone, whatever this one is at.
    os._exit(0)
