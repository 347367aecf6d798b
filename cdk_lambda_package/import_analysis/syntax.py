"""Which sources the target's Python can't compile, by ruff, whose parser knows the syntax of each version.

The host's own compiler knows one version. Over the standard libraries and test suites of CPython 3.9 to 3.13, ruff and
each version's `compile` agree on almost every file. ruff accepts a few oddities that CPython rejects: some mixtures of
tabs and spaces, more than 200 nested brackets, an unparenthesised `:=` in an index on 3.9, and `nonlocal` with a name that
a class mangles.

ruff is started once for all sources, and for halves of them only if that fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import CheckError
from cdk_lambda_package.import_analysis.facts import SourceFile, TextFault
from cdk_lambda_package.import_analysis.memory import fault_memory
from cdk_lambda_package.import_analysis.source import UndecodableError, decode_source, is_too_large
from cdk_lambda_package.processes import Finished, start_directly
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion

# What CPython's compiler rejects although it can be parsed. ruff reports all else as `invalid-syntax`, with any selection:
# https://docs.astral.sh/ruff/rules/
_RULES = (
    "F404",  # from __future__ after other statements
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
_CANARY, _CANARY_SOURCE, _REPORT = "canary.py", b"return\n", "report.json"

# Up to so many sources, starting threads takes longer than reading them.
_FEW = 8
# ruff says so of a file that it gave up on. It continues with the others, with the usual exit status.
_TROUBLE = ("failed to", "panick")
_FIX = "Install it again, or another version: python -m pip install --force-reinstall ruff."
_TIME_LIMIT = 300.0
"""Seconds; thousands of modules take less than one."""

# If ruff gives up on more sources, the cause isn't in them.
_MOST_UNREADABLE = 16

# Faults that a parser can't name.
_USUAL_FAULTS = (
    (re.compile(r"<{7}( |$)|={7}$|>{7}( |$)|\|{7}( |$)"), "a merge was never finished, its markers are still there"),
    (re.compile(r"\s*print\s+[^\s=.,:;()\[\]]"), "missing parentheses in a call of print: this is Python 2"),
    (re.compile(r"\s*except\s+[\w.]+\s*,\s*\w+\s*:"), "`except E, name:` is Python 2, or several types of Python 3.14"),
)

Starter = Callable[[Sequence[str], Path, Mapping[str, str]], Callable[[], Finished]]
"""Starts a command in a directory with these variables, and returns a function that waits for its end."""

start_limited: Starter = partial(start_directly, time_limit=_TIME_LIMIT)
"""Starts ruff with a time limit; directly, since it takes five milliseconds, starts nothing, and ends by itself."""


def syntax_faults(
    sources: Mapping[str, SourceFile],
    read: Callable[[str], bytes],
    versions: Sequence[PythonVersion],
    store: Store,
    *,
    asked: Iterable[str] | None = None,
    starter: Starter = start_limited,
) -> dict[str, TextFault]:
    """Return the first fault of each source that can't be compiled, by its path, in order of the paths.

    `asked` are the paths that matter, by default all. `read` returns the content of a path. The first of `versions` counts; the others take its place if ruff doesn't know
    it. Raises `CheckError` if ruff can't be started or doesn't do its work; then nothing is remembered.

    Example:
        `syntax_faults({"app.py": source}, read, [(3, 9)], store)["app.py"].line`
    """
    return begin_syntax_faults(sources, read, versions, store, asked=asked, starter=starter)()


def begin_syntax_faults(
    sources: Mapping[str, SourceFile],
    read: Callable[[str], bytes],
    versions: Sequence[PythonVersion],
    store: Store,
    *,
    asked: Iterable[str] | None = None,
    starter: Starter = start_limited,
) -> Callable[[], dict[str, TextFault]]:
    """Begin what `syntax_faults` does, and return a function that ends it: ruff is at work meanwhile. Both raise `CheckError`.

    Example:
        ```python
        end = begin_syntax_faults(sources, read, [(3, 9)], store, asked=["app.py"])
        follow_imports()
        end()["app.py"].line
        ```
    """
    memory = fault_memory(sources, versions[0], store)
    chosen = {path: sources[path] for path in sorted(sources if asked is None else asked)}
    missing = {one.digest: path for path, one in chosen.items() if not memory.knows(path)}
    find_new = _begin_faults({digest: read(path) for digest, path in missing.items()}, _Ruff(versions, store, starter))

    def end() -> dict[str, TextFault]:
        new, found = find_new(), dict[str, TextFault]()
        for path, source in chosen.items():
            fault = new[source.digest] if source.digest in new else memory.value(path)
            if fault is not None:
                found[path] = fault
            if source.digest in new and (fault is None or fault.certain):
                # If the parser gave up, the cause may have been the machine: it is tried again the next time.
                memory.add(path, fault)
        memory.save()
        return found

    return end


def _begin_faults(sources: Mapping[str, bytes], ruff: _Ruff) -> Callable[[], dict[str, TextFault | None]]:
    """Begin to look for the first fault of each source by its name, None for sound ones; return a function that returns them."""
    faults: dict[str, TextFault | None] = dict.fromkeys(sources)
    texts: dict[str, str] = {}
    for name, source in sources.items():
        try:
            texts[name] = decode_source(source)
        except UndecodableError as error:
            faults[name] = TextFault(error.line, 1, str(error))
    attempt = ruff.begin(texts) if texts else None

    def end() -> dict[str, TextFault | None]:
        for name, fault in ruff.faults(texts, attempt) if attempt is not None else ():
            known = faults[name]
            if known is None or fault < known:
                faults[name] = fault
        for name, source in sources.items():
            if faults[name] is None and is_too_large(source):
                faults[name] = TextFault(
                    1, 1, f"it is {len(source):,} bytes large, and its imports weren't read", certain=False
                )
        return faults

    return end


_Rows = list[dict[str, Any]]

_Attempt = Callable[[], tuple[Finished, _Rows | None]]
"""Waits for ruff, and returns how it ended and what it reports, None if it didn't do its work."""


class _Ruff:
    """Asks ruff about texts, by name, and finds out on which of them it fails."""

    def __init__(self, versions: Sequence[PythonVersion], store: Store, starter: Starter) -> None:
        self._versions, self._store, self._starter = versions, store, starter

    def faults(self, texts: Mapping[str, str], attempt: _Attempt) -> Iterator[tuple[str, TextFault]]:
        """Yield what ruff finds in texts, after a first attempt that was begun.

        Raises `CheckError` if it doesn't do its work, unless it fails on a few texts only.
        """
        finished, rows = attempt()
        if rows is not None:
            yield from _faults_of(rows, texts)
        elif finished.timed_out or self.begin({})()[1] is None:
            raise self._failure(finished)
        else:
            yield from self._faults_by_halves(texts)

    def _faults_by_halves(self, texts: Mapping[str, str]) -> Iterator[tuple[str, TextFault]]:
        """Yield what ruff finds in texts of which it can't read a few: each of these is found by halving."""
        pending, unreadable = [list(texts)], 0
        while pending:
            names = pending.pop()
            finished, rows = self.begin({name: texts[name] for name in names})()
            if rows is not None:
                yield from _faults_of(rows, texts)
            elif len(names) > 1:
                pending += [names[len(names) // 2 :], names[: len(names) // 2]]
            elif unreadable < _MOST_UNREADABLE:
                unreadable += 1
                yield names[0], TextFault(1, 1, "the parser can't read it", certain=False)
            else:
                raise self._failure(finished)

    def begin(self, texts: Mapping[str, str]) -> _Attempt:
        """Start ruff on these texts."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
        if len(texts) <= _FEW:
            environment["RAYON_NUM_THREADS"] = "1"
        with _naming_ruff(), contextlib.ExitStack() as resources:
            folder = resources.enter_context(self._store.workspace())
            for name, text in texts.items():
                # ruff reads UTF-8 only, and ignores declarations of other encodings.
                (folder / f"{name}.py").write_bytes(text.encode(errors="replace"))
            (folder / _CANARY).write_bytes(_CANARY_SOURCE)
            finish = self._starter([_program(), *_arguments(self._versions[0])], folder, environment)
            kept = resources.pop_all()

        def end() -> tuple[Finished, _Rows | None]:
            with _naming_ruff(), kept:
                finished = finish()
                for version in self._versions[1:]:
                    if finished.status != 0:
                        finished = self._starter([_program(), *_arguments(version)], folder, environment)()
                troubled = any(word in finished.output.lower() for word in _TROUBLE)
                return finished, _read_report(folder / _REPORT) if finished.status == 0 and not troubled else None

        return end

    def _failure(self, finished: Finished) -> CheckError:
        late = f"it wasn't done after {_TIME_LIMIT:.0f} seconds, and was ended"
        end = late if finished.timed_out else f"it ended with status {finished.status}"
        return CheckError(
            "ruff, which finds syntax errors, didn't check the modules for python{}.{}; ".format(*self._versions[0])
            + f"{end}. {_FIX} Its output:\n{finished.output.strip()[-2000:] or '(none)'}"
        )


@contextlib.contextmanager
def _naming_ruff() -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError) as error:
        raise CheckError(f"ruff, which finds syntax errors, can't be started: {error}. {_FIX}") from error


def _faults_of(rows: _Rows, texts: Mapping[str, str]) -> Iterator[tuple[str, TextFault]]:
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        kept = first.setdefault(Path(row["filename"]).stem, row)
        if _position(row) < _position(kept):
            first[Path(row["filename"]).stem] = row
    for name, row in first.items():
        line = row["location"]["row"]
        if name in texts:
            source = "".join(texts[name].split("\n")[line - 1 : line])
            usual = (reason for pattern, reason in _USUAL_FAULTS if pattern.match(source))
            message = next(usual, row["message"].removeprefix("SyntaxError: "))
            yield name, TextFault(line, row["location"]["column"], message)


def _position(row: dict[str, Any]) -> tuple[int, int]:
    return row["location"]["row"], row["location"]["column"]


def _arguments(version: PythonVersion) -> list[str]:
    """Return arguments that override everything of the user's, such as a configuration or a `noqa`."""
    options = (
        f"--target-version=py{version[0]}{version[1]}",
        f"--select={','.join(_RULES)}",
        f"--output-file={_REPORT}",
    )
    return ["check", "--isolated", "--no-cache", "--no-respect-gitignore", "--ignore-noqa", "--exit-zero",
            "--output-format=json", *options, "."]  # fmt: skip


def _program() -> str:
    # `find_ruff_bin` looks here first in a virtual environment, after importing sysconfig, which takes milliseconds.
    folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    beside = Path(sys.prefix, folder, f"ruff{suffix}")
    if sys.prefix != sys.base_prefix and beside.is_file():
        return str(beside)
    from ruff.__main__ import find_ruff_bin

    return str(find_ruff_bin())


def _read_report(report: Path) -> _Rows | None:
    """Return the rows of a report, None if the canary's fault isn't among them."""
    try:
        rows: _Rows = json.loads(report.read_bytes())
        return rows if any(Path(row["filename"]).name == _CANARY for row in rows) else None
    except (OSError, ValueError):
        return None
