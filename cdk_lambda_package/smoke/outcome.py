"""The outcome of importing a function's module, and the finding that follows from it."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handlers import list_functions
from cdk_lambda_package.processes import Finished
from cdk_lambda_package.splicing import APP, OWN, VENDOR
from cdk_lambda_package.target import Target

SCRIPT = Path(__file__).with_name("script.py")
"""The script, for an interpreter of the target's Python."""

_SHOWN_LINES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptResult:
    """The output of the script in the other process; if it didn't start, `status` is empty.

    `message` and `causes` describe the exception that ended the import. `frames` are the paths and lines of the
    package in its traceback, `missing` the modules that weren't found, `variable` the environment variable that isn't set,
    and `refused` the hosts that were asked for. `names` are those of a module that lacks the handler.
    """

    status: str = ""
    names: tuple[str, ...] = ()
    message: str = ""
    causes: tuple[str, ...] = ()
    frames: tuple[tuple[str, int | None], ...] = ()
    missing: tuple[str, ...] = ()
    variable: str | None = None
    traceback: str = ""
    standard_library: str | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """The facts by which the outcome is judged.

    `index` is the path of the app's own module, and `module` Lambda's name for the handler's. `owners` has the provider of each file of the package. `unseen` names what may have modules that aren't found here:
    layers that are known by their ARN alone, and the distributions of `provided`.
    """

    target: Target
    index: str
    module: str
    handler: str | None
    owners: Mapping[str, str]
    unseen: tuple[str, ...]
    time_limit: timedelta


def finding_of(process: Finished, result: ScriptResult, known: Circumstances) -> Finding | None:
    """Return the finding that follows from how the process ended and what its script wrote; None if it imported."""
    runtime = known.target.runtime.name
    match result.status:
        case "imported":
            return None
        case "no-handler":
            names, handler = list_functions(result.names), (known.handler or "").rpartition(".")[2]
            return _fail(
                known, f"has no {handler!r} once it is imported; {names}. Set handler= to the function to call."
            )
        case "not-callable":
            return _fail(
                known, f"was imported, but its {known.handler!r} can't be called. Set handler= to the function."
            )
        case "failed":
            return _judge_failure(result, known)
        case "":
            return skip(f"{runtime} on this machine can't be started.{_tail(process.output)}")
    if process.timed_out:
        what = (
            f"took longer than {known.time_limit.total_seconds():g} seconds to import here, and was stopped. Lambda gives the "
            "init phase 10 seconds, and starts again within the first invocation. Do less while the module is imported, or "
            f"raise smoke_timeout if this machine is slow.{_tail(process.output)}"
        )
        return _fail(known, what, id="smoke-timed-out")
    said = _tail(process.output) or " It printed nothing."
    return _fail(known, f"can't be imported by {runtime}: the process {_describe_end(process.status)}.{said}")


def skip(reason: str) -> Finding:
    """Return the note that the import was not tried, with a reason such as "there is no python3.14 on PATH."."""
    return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import was not tried: {reason}")


def _judge_failure(result: ScriptResult, known: Circumstances) -> Finding:
    doubt = _doubt(result, known)
    if doubt:
        return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import gave no result: {doubt}")
    frames = [(path, line) for path, line in result.frames if path in known.owners]
    own = [(path, line) for path, line in frames if known.owners[path] in OWN]
    path, line = own[-1] if own else (known.index, None)
    if result.variable is not None:
        what = (
            f"can't be imported without the environment variable {result.variable}, and environment= doesn't have it. Set it "
            "there, or read it where it is first needed."
        )
        # Not an error: the variable may be set somewhere that isn't known while packaging.
        facts = {"id": "variable-not-set", "severity": Severity.WARNING, "subject": result.variable}
        return _fail(known, what, path=path, line=line, **facts)
    told = f"can't be imported by {known.target.runtime.name}: {result.message}"
    hint = _hint(result.message, frames, known)
    causes = "".join(f"\n  because of {cause}" for cause in result.causes)
    what = f"{told.rstrip('.')}.{hint}{_tail(result.traceback)}{causes}"
    return _fail(known, what, path=path, line=line)


def _fail(
    known: Circumstances, what: str, *, path: str | None = None, line: int | None = None, **facts: Any
) -> Finding:
    path = path or known.index or None
    # Files that vendor/ provides are in the entry directory.
    place = f"{VENDOR}/{path}" if path is not None and known.owners.get(path) == VENDOR else path
    told = {"id": "smoke-failed", "severity": Severity.ERROR, **facts}
    return Finding(message=f"{known.module} {what}", path=place, line=line, **told)


def _doubt(result: ScriptResult, known: Circumstances) -> str | None:
    """Return why the import may succeed on Lambda; None if there is no reason to assume so."""
    if result.refused:
        return (
            f"{known.module} asks for {result.refused[0]} while it is imported, and here there is no network. Do that in "
            "the handler, or when it is first needed."
        )
    lacks = result.missing or "cannot open shared object file" in result.message
    if lacks and known.unseen:
        return f"{result.message}, which {' or '.join(known.unseen)} may have: its content is unknown here."
    return None


def _describe_end(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    name = next((one.name for one in signal.Signals if one == -status), f"signal {-status}")
    return f"was ended by {name}"


def _tail(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "".join(f"\n  {line}" for line in lines[-_SHOWN_LINES:])


def _hint(message: str, frames: Sequence[tuple[str, int | None]], known: Circumstances) -> str:
    """Return a sentence, after a space, with the fix of an exception that was raised in the last frame; "" if none is known."""
    if re.search(r"Read-only file system|Permission denied", message):
        return " On Lambda only /tmp is writable."
    owner = known.owners[frames[-1][0]] if frames else APP
    if owner in OWN:
        return ""
    return f" The code of {owner} fails on {known.target.runtime.name}: try another release, such as a newer one."
