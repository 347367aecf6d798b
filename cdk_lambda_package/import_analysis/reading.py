"""Reads many modules at once, half of them in another process: reading keeps a core busy, and one process uses one.

The other process is a program that reads files and writes a result. Neither a fork nor multiprocessing would do: the first copies
the threads' locks of an app of the CDK, and the second imports the app's main module once more. If the process fails for any reason,
all is read here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.import_analysis.facts import ModuleFacts
from cdk_lambda_package.processes import run_directly
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion

ReadModule = Callable[[bytes, PythonVersion], ModuleFacts]
"""Returns what a source says; a function of a module, which the other process imports."""

# Starting a process takes as long as reading so many bytes.
WORTH_A_PROCESS = 2_000_000

_ORDER, _RESULT = "order.json", "facts.json"
_TIME_LIMIT = 300.0
"""Seconds; the source of the largest packages takes a few."""


def read_modules(
    read: ReadModule,
    sources: Mapping[str, bytes],
    python: PythonVersion,
    store: Store,
    *,
    worth: int = WORTH_A_PROCESS,
) -> dict[str, ModuleFacts]:
    """Return the facts of sources by their names, from two processes if these have more bytes than are `worth` one.

    Example:
        `read_modules(read_module, {"app.py": b"import yaml"}, (3, 13), store)["app.py"].imports[0].module` is "yaml".
    """
    size = sum(map(len, sources.values()))
    others: dict[str, bytes] = {}
    if size > worth and (os.cpu_count() or 1) > 1:
        left = size // 2
        for name, source in sources.items():
            if left > 0:
                others[name] = source
                left -= len(source)
    if not others:
        return {name: read(source, python) for name, source in sources.items()}
    # Imported here: after an edit, a few modules are read.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(_read_elsewhere, read, others, python, store)
        facts = {name: read(source, python) for name, source in sources.items() if name not in others}
        facts |= pending.result()
    return {name: facts[name] if name in facts else read(source, python) for name, source in sources.items()}


def _read_elsewhere(
    read: ReadModule, sources: Mapping[str, bytes], python: PythonVersion, store: Store
) -> dict[str, ModuleFacts]:
    """Return the facts of sources, read in another process; none if it doesn't do its work."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        with store.workspace() as folder:
            for number, source in enumerate(sources.values()):
                (folder / str(number)).write_bytes(source)
            (folder / _ORDER).write_bytes(msgspec.json.encode((python, len(sources))))
            work = f"from {__name__} import read_here; from {read.__module__} import {read.__name__} as read; read_here(read)"
            if run_directly([sys.executable, "-c", work], folder, environment, time_limit=_TIME_LIMIT).status != 0:
                return {}
            facts = decode((folder / _RESULT).read_bytes(), list[ModuleFacts])
            return dict(zip(sources, facts, strict=True))
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}


def read_here(read: ReadModule) -> None:
    """Read the sources in the working directory, and write the result there: what the other process does."""
    folder = Path.cwd()
    python, count = decode((folder / _ORDER).read_bytes(), tuple[PythonVersion, int])
    facts = [read((folder / str(number)).read_bytes(), python) for number in range(count)]
    (folder / _RESULT).write_bytes(msgspec.json.encode(facts))
