"""Asking ruff what is wrong with sources. It is started once for all of them, and again only where that ends badly."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cdk_lambda_package.errors import CheckError
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.splicing.archive import explain_os_errors
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import RUNTIMES, Runtime, Target

# What CPython's compiler refuses although it can be parsed. Everything else that it refuses ruff reports as
# `invalid-syntax`, whatever is selected: https://docs.astral.sh/ruff/rules/
_RULES = (
    "F404",  # from __future__ behind other statements
    "F406",  # a star import in a function
    "F407",  # an unknown feature of __future__
    "F622",  # two starred targets
    "F701",  # break outside of a loop
    "F702",  # continue outside of a loop
    "F704",  # yield and await outside of a function
    "F706",  # return outside of a function
    "F707",  # a bare except that isn't the last
    "PLE0115",  # nonlocal and global
    "PLE0117",  # nonlocal without a binding
    "PLE0118",  # a global name used before its declaration
    "PLE1142",  # await outside of an async function
    "PLE1700",  # yield from in an async function
)

# Shows that ruff has read the folder and knows the rules.
_CANARY, _CANARY_SOURCE = "canary.py", b"return\n"

_FEW = 8
# What ruff says of a file that it gave up on; it goes on with the others, and its status is as ever.
_TROUBLE = ("failed to", "panick")
_FIX = "Install it again, or another version: python -m pip install --force-reinstall ruff."
_TIME_LIMIT = 300.0
"""Seconds; thousands of modules take less than one."""

# More than so many that it can't take would be no matter of the sources.
_MOST_UNREADABLE = 16

run_limited: Runner = partial(run_process, time_limit=_TIME_LIMIT)
"""Runs ruff as long as it may take."""


class TextFault(NamedTuple):
    """What is wrong with a source, first by line and column, from 1; not `certain` where the parser couldn't read it."""

    line: int
    column: int
    message: str
    certain: bool = True


class _Attempt(NamedTuple):
    """What came of running ruff over some sources: its rows, None where it didn't do its work."""

    finished: Finished | None
    rows: list[dict[str, Any]] | None


_Try = Callable[[Mapping[str, str]], _Attempt]


def check_texts(
    texts: Mapping[str, str], target: Target, store: Store, runner: Runner
) -> Iterator[tuple[str, TextFault]]:
    """Yield what ruff finds in texts, by the name of each.

    Raises `CheckError` if it doesn't do its work, unless that is for a few of the texts.
    """
    if not texts:
        return

    def attempt(some: Mapping[str, str]) -> _Attempt:
        return _ask_ruff(some, target, store, runner)

    tried = attempt(texts)
    if tried.rows is not None:
        yield from _read_rows(tried.rows, texts)
        return
    if tried.finished is None or tried.finished.timed_out or attempt({}).rows is None:
        raise _explain(tried.finished, target)
    unreadable: list[str] = []
    for found in _divide(texts, tried, attempt):
        unreadable += [found[0]] if not found[1].certain else []
        if len(unreadable) > _MOST_UNREADABLE:
            raise _explain(tried.finished, target)
        yield found


def _divide(texts: Mapping[str, str], tried: _Attempt, attempt: _Try) -> Iterator[tuple[str, TextFault]]:
    """Yield what is found in texts that ruff didn't take together, and which of them it doesn't take alone."""
    names = list(texts)
    if len(names) == 1:
        yield names[0], TextFault(1, 1, _say_unreadable(tried), certain=False)
        return
    for half in (names[: len(names) // 2], names[len(names) // 2 :]):
        part = {name: texts[name] for name in half}
        again = attempt(part)
        yield from _read_rows(again.rows, part) if again.rows is not None else _divide(part, again, attempt)


def _say_unreadable(tried: _Attempt) -> str:
    output = tried.finished.output if tried.finished else ""
    reason = "it is nested too deeply for it" if "overflowed its stack" in output else "it came to grief on it"
    return f"the parser can't read it: {reason}"


def _read_rows(rows: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> Iterator[tuple[str, TextFault]]:
    for row in rows:
        name, line = Path(row["filename"]).stem, row["location"]["row"]
        if name in texts:
            # Imported here: most modules have no fault.
            from cdk_lambda_package.modules.usual_faults import recognise

            message = recognise(texts[name], line) or row["message"].removeprefix("SyntaxError: ")
            yield name, TextFault(line, row["location"]["column"], message)


def _ask_ruff(texts: Mapping[str, str], target: Target, store: Store, runner: Runner) -> _Attempt:
    with explain_os_errors(store.root), store.workspace() as folder:
        for name, text in texts.items():
            # ruff reads UTF-8 alone, and heeds no declaration of another encoding.
            (folder / f"{name}.py").write_bytes(text.encode(errors="replace"))
        (folder / _CANARY).write_bytes(_CANARY_SOURCE)
        return _run_ruff(folder, target, runner)


def _run_ruff(folder: Path, target: Target, runner: Runner) -> _Attempt:
    """Return what ruff reports of the modules in a folder."""
    runtimes = [target.runtime]
    if target.assumed:
        # A version that this ruff may not know either is taken to be like the newest that we do.
        runtimes.append(RUNTIMES[-1])
    report, program, finished = folder / "report.json", _find_ruff(), None
    for runtime in runtimes:
        finished = _run(runner, [program, *_arguments(runtime), f"--output-file={report.name}", "."], folder)
        if finished.status == 0:
            break
    worked = finished is not None and finished.status == 0
    troubled = finished is not None and any(word in finished.output.lower() for word in _TROUBLE)
    return _Attempt(finished, _read_report(report) if worked and not troubled else None)


def _run(runner: Runner, argv: Sequence[str], folder: Path) -> Finished:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
    if sum(1 for _ in folder.iterdir()) <= _FEW:
        # Threads take longer to start than a few modules to be read.
        environment["RAYON_NUM_THREADS"] = "1"
    try:
        return runner(argv, folder, environment)
    except OSError as error:
        raise CheckError(f"ruff, which finds syntax errors, can't be started: {argv[0]}: {error}. {_FIX}") from error


def _arguments(runtime: Runtime) -> list[str]:
    """Return options that leave nothing of the user's, such as a configuration or a `noqa`, a say."""
    return [
        "check",
        "--isolated",
        "--no-cache",
        "--no-respect-gitignore",
        "--ignore-noqa",
        "--exit-zero",
        "--output-format=json",
        f"--target-version=py{runtime.version[0]}{runtime.version[1]}",
        f"--select={','.join(_RULES)}",
    ]


def _find_ruff() -> str:
    # Where `find_ruff_bin` looks first in a virtual environment, without the milliseconds that sysconfig takes.
    folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    beside = Path(sys.prefix, folder, f"ruff{suffix}")
    if sys.prefix != sys.base_prefix and beside.is_file():
        return str(beside)
    try:
        from ruff.__main__ import find_ruff_bin

        return str(find_ruff_bin())
    except (ImportError, OSError) as error:
        raise CheckError(
            f"ruff, which finds syntax errors, isn't installed where it should be: {error}. {_FIX}"
        ) from error


def _read_report(report: Path) -> list[dict[str, Any]] | None:
    """Return the rows of a report in which the canary's fault is."""
    try:
        rows: list[dict[str, Any]] = json.loads(report.read_bytes())
        return rows if any(Path(row["filename"]).name == _CANARY for row in rows) else None
    except (OSError, ValueError):
        return None


def _explain(finished: Finished | None, target: Target) -> CheckError:
    output = finished.output.strip() if finished else ""
    return CheckError(
        f"ruff, which finds syntax errors, didn't check the modules for {target.runtime.name}; {_say_end(finished)}. {_FIX} "
        f"Its output:\n{output[-2000:] or '(none)'}"
    )


def _say_end(finished: Finished | None) -> str:
    if finished is None:
        return "it wasn't run"
    if finished.timed_out:
        return f"it wasn't done after {_TIME_LIMIT:.0f} seconds, and was ended"
    if finished.status < 0:
        return f"it was ended by signal {-finished.status} of the system"
    return f"it ended with status {finished.status}"
