"""What came of importing a function's module, and what that says about the package. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cdk_lambda_package.checks import OWN
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handlers import list_names
from cdk_lambda_package.splicing import VENDOR
from cdk_lambda_package.target import Target
from cdk_lambda_package.trial.failure_hints import find_hint

_SHOWN_LINES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the process ended, what it printed, and what its script wrote down: nothing, if it didn't come to that."""

    status: int
    timed_out: bool
    output: str
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that weren't found, in the exception that ended the import and those that it came of."""
        return tuple(self.result.get("missing", ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What the outcome is judged by.

    `owners` has who provides each file of the package; `unseen` what may have modules that aren't there: layers that
    are known by their ARN alone, and what `provided` names.
    """

    target: Target
    index: str
    module: str
    handler: str | None
    owners: Mapping[str, str]
    unseen: tuple[str, ...]
    time_limit: timedelta


def judge(outcome: Outcome, known: Circumstances) -> Finding | None:
    """Return what the outcome says of the package: nothing, if all went well."""
    match outcome.result.get("status"):
        case "imported":
            return None
        case "no-handler":
            names = list_names(outcome.result["names"])
            return _fail(known, f"has no {known.handler!r} once it is imported; {names}. Set handler= to one of them.")
        case "not-callable":
            return _fail(
                known, f"was imported, but its {known.handler!r} can't be called. Set handler= to the function."
            )
        case "failed":
            return _judge_failure(outcome, known)
        case None:
            return skip(f"{known.target.runtime.name} on this machine can't be started.{_tail(outcome.output)}")
    if outcome.timed_out:
        return _time_out(outcome, known)
    said = _tail(outcome.output) or " It printed nothing."
    return _fail(
        known, f"can't be imported by {known.target.runtime.name}: the process {_describe_end(outcome)}.{said}"
    )


def skip(reason: str) -> Finding:
    """Return the note that nothing was tried, or that it tells nothing."""
    return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import was not tried: {reason}")


def _judge_failure(outcome: Outcome, known: Circumstances) -> Finding:
    result = outcome.result
    doubt = _find_doubt(result, known)
    if doubt:
        return Finding(id="smoke-skipped", severity=Severity.NOTE, message=f"The import tells nothing: {doubt}")
    frames = [(path, line) for path, line in result["frames"] if path in known.owners]
    own = [(path, line) for path, line in frames if known.owners[path] in OWN]
    path, line = own[-1] if own else (known.index, None)
    if result["variable"] is not None:
        return _miss_variable(result["variable"], known, path=path, line=line)
    told = f"can't be imported by {known.target.runtime.name}: {result['message']}"
    hint = find_hint(result["kind"], result["message"], _blame(frames, known), known.target)
    causes = "".join(f"\n  because of {cause}" for cause in result["causes"])
    what = f"{told.rstrip('.')}.{hint}{_tail(result['traceback'])}{causes}"
    return _fail(known, what, path=path, line=line)


def _miss_variable(name: str, known: Circumstances, *, path: str, line: int | None) -> Finding:
    # Not an error: the function may have it from somewhere that can't be seen while it is packaged.
    return Finding(
        id="variable-not-set",
        severity=Severity.WARNING,
        message=f"{known.module} can't be imported without the environment variable {name}, and environment= doesn't have "
        "it. Set it there, or read it where it is first needed.",
        path=_place(path, known),
        line=line,
        subject=name,
    )


def _fail(known: Circumstances, what: str, *, path: str | None = None, line: int | None = None) -> Finding:
    place = _place(path or known.index, known)
    return Finding(id="smoke-failed", severity=Severity.ERROR, message=f"{known.module} {what}", path=place, line=line)


def _place(path: str, known: Circumstances) -> str:
    """Return where the user has a file: what vendor/ provides lies there in the entry directory."""
    return f"{VENDOR}/{path}" if known.owners.get(path) == VENDOR else path


def _time_out(outcome: Outcome, known: Circumstances) -> Finding:
    seconds = f"{known.time_limit.total_seconds():g}"
    message = (
        f"Importing {known.module} took longer than {seconds} seconds here and was stopped. Lambda gives the init phase 10 "
        "seconds, and starts anew within the first invocation's. Do less while the module is imported, or raise "
        f"smoke_timeout if this machine is slow.{_tail(outcome.output)}"
    )
    return Finding(id="smoke-timed-out", severity=Severity.ERROR, message=message, path=known.index)


def _find_doubt(result: Mapping[str, Any], known: Circumstances) -> str | None:
    """Return why a failure needn't be one on Lambda."""
    if result["refused"]:
        return (
            f"{known.module} asks for {result['refused'][0]} while it is imported, and here there is no network. Do that in "
            "the handler, or when it is first needed."
        )
    lacks = result["missing"] or "cannot open shared object file" in result["message"]
    if lacks and known.unseen:
        return f"{result['message']}, which {_join(known.unseen)} may have: nobody can see into it from here."
    return None


def _blame(frames: Iterable[tuple[str, int]], known: Circumstances) -> str | None:
    """Return the distribution in which it failed, if it was in one."""
    owners = [known.owners[path] for path, _ in frames]
    return owners[-1] if owners and owners[-1] not in OWN else None


def _describe_end(outcome: Outcome) -> str:
    if outcome.status >= 0:
        return f"ended with status {outcome.status}"
    try:
        return f"was ended by {signal.Signals(-outcome.status).name}"
    except ValueError:
        return f"was ended by signal {-outcome.status}"


def _tail(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "".join(f"\n  {line}" for line in lines[-_SHOWN_LINES:])


def _join(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
