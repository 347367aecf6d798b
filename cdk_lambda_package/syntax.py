"""Which modules the target's Python can't compile, told by ruff, whose parser knows the syntax of each version.

Not by the host's own compiler, which knows one version. Over the standard libraries and test suites of CPython 3.9 to
3.13, ruff and each version's `compile` agree on every file, but for two oddities that ruff takes for right: an
unparenthesised `:=` in an index on 3.9, and `nonlocal` with a name that a class mangles.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cdk_lambda_package.archive import explain_os_errors
from cdk_lambda_package.checks.contents import SyntaxFault
from cdk_lambda_package.errors import CheckError
from cdk_lambda_package.group_record import GroupRecord
from cdk_lambda_package.processes import Finished, Runner, run_process
from cdk_lambda_package.source_text import UndecodableError, decode_source
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import RUNTIMES, Runtime, Target
from cdk_lambda_package.tree import Entry

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

_KIND = "syntax"
# Part of the key: raised whenever something else is found in the same source.
_FORMAT = "s1"
# Shows that ruff has read the folder and knows the rules.
_CANARY, _CANARY_SOURCE = "canary.py", b"return\n"

_FEW = 8
# What ruff says of a file that it gave up on; it goes on with the others, and its status is as ever.
_TROUBLE = ("failed to", "panick")
_FIX = "Install it again, or another version: python -m pip install --force-reinstall ruff."

_Row = tuple[int, int, str]
_Faults = dict[str, _Row | None]
"""The first fault of each source by its sha256 (hex): line, column and what is wrong. None for sound ones."""


def find_syntax_faults(
    modules: Iterable[Entry],
    read: Callable[[str], bytes],
    target: Target,
    store: Store,
    *,
    runner: Runner = run_process,
) -> tuple[SyntaxFault, ...]:
    """Return the first fault of each module in order of their paths; `read` gives a module's source by its path.

    Raises `CheckError` if ruff can't be started or doesn't do its work: then nothing is known, and nothing remembered.
    """
    groups: dict[str, list[Entry]] = {}
    for module in modules:
        # What vendor/ has seldom changes, so what is known of it needn't be written again with each edit of the app.
        groups.setdefault(module.owner, []).append(module)
    found: list[SyntaxFault] = []
    for group in groups.values():
        faults = _find_in_group(group, read, target, store, runner)
        for module in group:
            fault = faults[module.digest]
            if fault is not None:
                line, column, message = fault
                found.append(SyntaxFault(path=module.path, line=line, column=column, message=message))
    return tuple(sorted(found, key=lambda fault: fault.path))


def _find_in_group(
    group: Sequence[Entry], read: Callable[[str], bytes], target: Target, store: Store, runner: Runner
) -> GroupRecord:
    record = GroupRecord(store, _KIND, group, f"{_FORMAT} {target.runtime.name}")
    missing = {module.digest: module.path for module in group if module.digest not in record}
    if missing:
        sources = {digest: read(path) for digest, path in missing.items()}
        for digest, fault in _find_in_sources(sources, target, store, runner).items():
            record[digest] = fault
        record.save()
    return record


def _find_in_sources(sources: Mapping[str, bytes], target: Target, store: Store, runner: Runner) -> _Faults:
    faults: _Faults = dict.fromkeys(sources)
    texts: dict[str, str] = {}
    for digest, source in sources.items():
        try:
            texts[digest] = decode_source(source)
        except UndecodableError as error:
            faults[digest] = (error.line, 1, str(error))
    for digest, fault in _ask_ruff(texts, target, store, runner):
        first = faults[digest]
        if first is None or fault < first:
            faults[digest] = fault
    return faults


def _ask_ruff(texts: Mapping[str, str], target: Target, store: Store, runner: Runner) -> Iterator[tuple[str, _Row]]:
    """Yield what ruff finds in texts, by the name of each."""
    with explain_os_errors(store.root), store.workspace() as folder:
        for name, text in texts.items():
            # ruff reads UTF-8 alone, and heeds no declaration of another encoding.
            (folder / f"{name}.py").write_bytes(text.encode(errors="replace"))
        (folder / _CANARY).write_bytes(_CANARY_SOURCE)
        rows = _run_ruff(folder, target, runner)
    for row in rows:
        name, line = Path(row["filename"]).stem, row["location"]["row"]
        if name in texts:
            # Imported here: most modules have no fault.
            from cdk_lambda_package.usual_faults import recognise

            message = recognise(texts[name], line) or row["message"].removeprefix("SyntaxError: ")
            yield name, (line, row["location"]["column"], message)


def _run_ruff(folder: Path, target: Target, runner: Runner) -> list[dict[str, Any]]:
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
    rows = _read_report(report)
    if (
        finished is None
        or finished.status != 0
        or rows is None
        or any(word in finished.output.lower() for word in _TROUBLE)
    ):
        raise _explain(finished, target)
    return rows


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
    status, output = (finished.status, finished.output.strip()) if finished else (None, "")
    return CheckError(
        f"ruff, which finds syntax errors, didn't check the modules for {target.runtime.name}; it ended with status "
        f"{status}. {_FIX} Its output:\n{output[-2000:] or '(none)'}"
    )
