"""The outcome of importing a function's module, and the finding that follows from it."""

from __future__ import annotations

import contextlib
import posixpath
import re
import signal
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    and `refused` the hosts that were asked for. `unset` are variables that modules asked for without a default and didn't get, each
    with the module's path; `absent` are all that any module asked for and that aren't set. `names` are those of a module that lacks the handler.
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
    unset: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """The facts by which the outcome is judged.

    `index` is the path of the app's own module, and `module` Lambda's name for the handler's. `owners` has the provider of each file of the package. `unseen` names what may have modules that aren't found here:
    layers that are known by their ARN alone, and the distributions of `provided`. `metadata` returns the METADATA of a distribution
    by its owner, and `advice` a sentence on how to provide a module, None if nothing is known of it. `is_in_entry` tells whether a
    path that the package lacks is one of a file in the entry directory.
    """

    target: Target
    index: str
    module: str
    handler: str | None
    owners: Mapping[str, str]
    unseen: tuple[str, ...]
    time_limit: timedelta
    metadata: Callable[[str], str] = lambda _: ""
    advice: Callable[[str], str | None] = lambda _: None
    is_in_entry: Callable[[str], bool] = lambda _: False


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
        seconds = known.time_limit.total_seconds()
        what = (
            f"took longer than {seconds:g} second{'s' if seconds != 1 else ''} to import here, and was stopped. Lambda gives the "
            "init phase 10 seconds, and starts again within the first invocation. Do less while the module is imported, or "
            f"raise smoke_timeout if this machine is slow.{_tail(process.output)}"
        )
        return _fail(known, what, id="smoke-timed-out")
    said = _tail(process.output) or " It printed nothing."
    return _fail(known, f"can't be imported by {runtime}: the process {_describe_end(process.status)}.{said}")


def skip(reason: str) -> Finding:
    """Return the note that the import was not tried, with a reason such as "there is no python3.14 on PATH."."""
    return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import was not tried: {reason}")


def unproven(found: Iterable[Finding]) -> Finding | None:
    """Return the note that an import which succeeded proves nothing about the libraries that code opens; None if it does.

    `found` are the findings of the package. This machine may have the libraries that they say Lambda lacks.
    """
    opened = [finding for finding in found if finding.id == "library-opened-not-found"]
    if not opened:
        return None
    # Each message begins with the module and what it opens.
    claims = "; ".join(finding.message.partition(", which ")[0] for finding in opened)
    return Finding(
        id="smoke-unproven",
        severity=Severity.NOTE,
        message=f"The import succeeded here, which proves nothing about libraries that this machine has and Lambda lacks: {claims}.",
        path=opened[0].path,
        line=opened[0].line,
        subject=opened[0].subject if len(opened) == 1 else None,
    )


def _judge_failure(result: ScriptResult, known: Circumstances) -> Finding:
    doubt = _doubt(result, known)
    if doubt:
        return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import gave no result: {doubt}")
    frames = [(path, line) for path, line in result.frames if path in known.owners]
    own = [(path, line) for path, line in frames if known.owners[path] in OWN]
    path, line = own[-1] if own else (known.index, None)
    unset = dict.fromkeys(name for name, module in result.unset if known.owners.get(module) in OWN)
    variable = result.variable or _named_variable(result, unset)
    if variable is not None:
        said = "" if result.variable else f" ({textwrap.shorten(result.message.rstrip('.'), 200, placeholder=' …')})"
        what = (
            f"can't be imported without the environment variable {variable}, and environment= doesn't have it{said}. Set it "
            "there, or read it where it is first needed."
        )
        # Not an error: the variable may be set somewhere that isn't known while packaging.
        facts = {"id": "variable-not-set", "severity": Severity.WARNING, "subject": variable}
        return _fail(known, what, path=path, line=line, **facts)
    told = f"can't be imported by {known.target.runtime.name}: {result.message}"
    hint = (
        _hint_for_module(result, frames, known) or _hint_for_file(result, known) or _hint(result.message, frames, known)
    )
    if unset:
        hint += f" It asked for {' and '.join(unset)}, which environment= doesn't have."
    causes = "".join(f"\n  because of {cause}" for cause in result.causes)
    what = f"{told.rstrip('.')}.{hint}{_tail(result.traceback)}{causes}"
    return _fail(known, what, path=path, line=line, subject=next(iter(result.missing), None))


# Words with which programs say that a variable isn't set.
_ABOUT_VARIABLES = re.compile(
    r"environ|\benv\b|envvar|not set|unset|undefined|missing|required|not found|declare|KeyError", re.IGNORECASE
)
# How pydantic-settings says it, which reads them all at once; in the environment, case doesn't matter.
_MISSING_FIELD = re.compile(r"^(\w+)\n +Field required", re.MULTILINE)


def _named_variable(result: ScriptResult, unset: Iterable[str]) -> str | None:
    """Return the environment variable that an exception is about; None if it names none that was asked for and isn't set."""
    text = "\n".join((result.message, *result.causes))
    asked = [*unset, *(result.absent if _ABOUT_VARIABLES.search(text) else ())]
    for name in asked:
        if re.search(rf"\b{re.escape(name)}\b", text):
            return name
    field = _MISSING_FIELD.search(text)
    if field and any(path.startswith("pydantic_settings/") for path, _ in result.frames):
        return field[1].upper()
    return None


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


def _hint_for_module(result: ScriptResult, frames: Sequence[tuple[str, int | None]], known: Circumstances) -> str:
    """Return a sentence, after a space, on how to provide the module whose absence ended the import; "" if none is known."""
    if not result.missing:
        return ""
    module = result.missing[0]
    for owner in dict.fromkeys(known.owners[path] for path, _ in reversed(frames)):
        if owner not in OWN and (extra := extra_with(module, known.metadata(owner))):
            return f" Require {owner.partition('==')[0]}[{extra}], the extra that {module!r} comes with."
    advice = known.advice(module)
    return f" {advice}" if advice else ""


def _hint_for_file(result: ScriptResult, known: Circumstances) -> str:
    """Return a sentence, after a space, on how to package a file whose absence ended the import; "" for any other end."""
    found = re.match(r"FileNotFoundError: \[Errno 2\] [^:]+: '([^']+)'$", result.message)
    path = posixpath.normpath(found[1].removeprefix("/var/task/")) if found else ""
    if not path or path.startswith(("/", "..")) or not known.is_in_entry(path):
        return ""
    folder, slash, _ = path.partition("/")
    pattern = f"{folder}/**" if slash else path
    return f" {path} is in the entry directory, but isn't packaged: set packaging=Packaging(include=[{pattern!r}])."


def extra_with(module: str, metadata: str) -> str | None:
    """Return the smallest extra by which a distribution requires one that is called like a module; None if there is none.

    https://packaging.python.org/en/latest/specifications/core-metadata/#provides-extra-multiple-use

    Example:
        `extra_with("aws_xray_sdk", metadata)` is "tracer" for the metadata of aws-lambda-powertools.
    """
    # Imported here: most imports succeed.
    from email.parser import HeaderParser

    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    headers, found = HeaderParser().parsestr(metadata), dict[str, list[str]]()
    for line in headers.get_all("Requires-Dist", []):
        with contextlib.suppress(InvalidRequirement):
            requirement = Requirement(line)
            marker = requirement.marker
            for extra in headers.get_all("Provides-Extra", []) if marker is not None else ():
                if marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
                    found.setdefault(extra, []).append(canonicalize_name(requirement.name))
    wanted = canonicalize_name(module.partition(".")[0])
    fitting = [extra for extra, names in found.items() if wanted in names]
    return min(fitting, key=lambda extra: (len(found[extra]), extra), default=None)


def _hint(message: str, frames: Sequence[tuple[str, int | None]], known: Circumstances) -> str:
    """Return a sentence, after a space, with the fix of an exception that was raised in the last frame; "" if none is known."""
    if re.search(r"Read-only file system|Permission denied", message):
        return " On Lambda only /tmp is writable."
    owner = known.owners[frames[-1][0]] if frames else APP
    if owner in OWN:
        return ""
    if re.match(r"\w+\.", message):
        # An exception of its own says that something isn't as it should be, not that the release doesn't fit.
        return f" {owner} raised it."
    return f" The code of {owner} fails on {known.target.runtime.name}: try another release, such as a newer one."
