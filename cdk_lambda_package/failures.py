"""The boundary at which every exception becomes a `PackageError` that says what was being done.

`during` names a step of the work. `reported` is the boundary: there is one around each command, one around each package that
is made, and one around each call that CDK makes. An exception of our own kinds passes. What the operating system refuses
becomes a `HostError`. Anything else is a fault of this library, an `InternalError`: its traceback is written to a file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.errors import HostError, InternalError, PackageError, shorten
from cdk_lambda_package.store import FORMAT
from cdk_lambda_package.urls import hide_credentials

_WHILE = "while "
# Bytes of a report; and characters of a traceback that are looked at at all.
_LARGEST_REPORT, _LONGEST_TRACEBACK = 100_000, 10_000_000
_LONGEST_REASON = 300

_HINTS = {
    errno.ENOSPC: "Free some space there",
    errno.EDQUOT: "Free some space there, or raise the quota",
    errno.EACCES: "Change its permissions",
    errno.EPERM: "Change its permissions",
    errno.EROFS: "Choose a place that can be written to",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "Close some programs, or raise the system's limit of open files",
    errno.ENAMETOOLONG: "Use a shorter path",
    errno.ELOOP: "Remove the link that leads to itself",
    errno.ENOENT: "It should be there; if another program removed it meanwhile, try again",
    errno.EIO: "The disk or network behind it fails; try again, or choose another place",
}


@contextlib.contextmanager
def during(doing: str) -> Iterator[None]:
    """Name a step of the work for the errors of `reported`; also a decorator.

    Example:
        ```python
        @during("resolving the requirements")
        def find_resolution(asked, store): ...
        ```
    """
    try:
        yield
    except PackageError:
        raise
    except Exception as error:
        error.add_note(f"{_WHILE}{doing}")
        raise


@contextlib.contextmanager
def reported(doing: str, *, store: Path | None = None, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn every exception of the block that isn't a `PackageError` into one.

    The error says what was being done: the innermost step that `during` names, else `doing`. `store` is the root of the store:
    the report of an internal error goes below it, else into the directory for temporary files. `passing` are the kinds of
    exceptions of others that pass.

    Raises `HostError` for what the operating system refuses, for lack of memory and for too deep recursion, and `InternalError`
    for everything else. KeyboardInterrupt and SystemExit pass.

    Example:
        `with reported("packaging orders"): package(request)`
    """
    try:
        yield
    except PackageError:
        raise
    except passing:
        raise
    except OSError as error:
        raise HostError(_describe_refusal(error, _begin(error, doing))) from error
    except MemoryError as error:
        raise HostError(f"{_begin(error, doing)} failed: there isn't enough memory.") from error
    except RecursionError as error:
        place = _tell_place(_write_report(_make_report(error, doing), store))
        raise HostError(
            f"{_begin(error, doing)} failed: something that was read is nested too deeply. {place}"
        ) from error
    except Exception as error:
        raise InternalError(_describe_fault(error, doing, store)) from error


def _step_of(error: BaseException, doing: str) -> str:
    """Return the innermost step that was named."""
    notes = (note for note in getattr(error, "__notes__", ()) if note.startswith(_WHILE))
    return next(notes, f"{_WHILE}{doing}").removeprefix(_WHILE)


def _begin(error: BaseException, doing: str) -> str:
    step = _step_of(error, doing)
    return f"{step[:1].upper()}{step[1:]}"


def _describe_refusal(error: OSError, step: str) -> str:
    names = " and ".join(
        repr(shorten(os.fsdecode(name))) for name in (error.filename, error.filename2) if _is_path(name)
    )
    reason = shorten(error.strerror or str(error) or type(error).__name__, _LONGEST_REASON)
    hint = _HINTS.get(error.errno or 0)
    place = f": {names}" if names else ""
    if error.errno == errno.ENOSPC and not names:
        hint = f"Free some space in the store's directory and in {_temporary() or 'the one for temporary files'}"
    return hide_credentials(f"{step} failed: {reason}{place}. {f'{hint}.' if hint else ''}".rstrip(), os.environ)


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes | os.PathLike)


def _describe_fault(error: Exception, doing: str, store: Path | None) -> str:
    report = _make_report(error, doing)
    path = _write_report(report, store)
    reason = shorten(hide_credentials(_text_of(error)[:_LONGEST_TRACEBACK], os.environ), _LONGEST_REASON)
    # Without the file, the end of the traceback is better than nothing.
    end = "" if path else f" The end of its traceback:\n{report[-1000:]}"
    return f"Internal error while {_step_of(error, doing)}: {type(error).__name__}: {reason}. {_tell_place(path)}{end}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a fault in the text of a fault
        return "(no text)"


def _tell_place(path: Path | None) -> str:
    fault = "If nothing is wrong with your files, it is a fault of cdk-lambda-package"
    if path is None:
        return f"{fault}: report it."
    return f"{fault}: report it, and attach {str(path)!r}, which has the details without credentials."


def _make_report(error: BaseException, doing: str) -> str:
    """Return the traceback and the versions, without credentials, of a bounded size."""
    told = "".join(traceback.format_exception(error))
    # Secrets are hidden before anything is cut, since a part of one would not be recognised.
    half = _LONGEST_TRACEBACK // 2
    parts = (told,) if len(told) <= _LONGEST_TRACEBACK else (told[:half], told[-half:])
    told = "".join(hide_credentials(part, os.environ) for part in parts)
    versions = [f"Python {sys.version}", f"system {platform.platform()}"]
    versions += [f"{name} {_version_of(name)}" for name in ("cdk-lambda-package", "pip", "aws-cdk-lib")]
    text = "\n".join((*versions, f"{_WHILE}{doing}", "", told))
    # A character has up to four bytes.
    return shorten(text, _LARGEST_REPORT // 4 if not text.isascii() else _LARGEST_REPORT)


def _version_of(distribution: str) -> str:
    # Imported here: nothing else needs it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"


def _write_report(report: str, store: Path | None) -> Path | None:
    """Write a report, readable by the user alone, and return its path; None if there is no place for it."""
    temporary = _temporary()
    # Below the folder for unfinished files, which is swept by age.
    places = ([store / FORMAT / "tmp" / "reports"] if store else []) + ([temporary] if temporary else [])
    for folder in places:
        path = folder / f"cdk-lambda-package-error-{os.urandom(6).hex()}.txt"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8", errors="backslashreplace", opener=_open_private) as stream:
                stream.write(report)
            return path
    return None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _temporary() -> Path | None:
    """Return the directory for temporary files; None if Python falls back on the working directory, which is the user's."""
    try:
        folder = Path(tempfile.gettempdir())
    except OSError:
        return None
    return None if folder == Path.cwd() else folder
