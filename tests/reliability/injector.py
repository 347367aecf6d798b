"""Run commands of the command line in forks of this process, and disturb them at one of their calls for input or output.

Each line of stdin is a command in JSON (see `forks.Start`). stdout gets the id of its process, and its status when it ended.

The calls are counted from 1 in the order in which they are made. At call number AT, ACTION happens: the name of an error
(ENOSPC), which the call raises instead of being made, or of a signal (SIGKILL), which the process sends to itself before the
call. With AT 0 nothing happens. The file NOTE gets one line of JSON: the number of calls, and which one was disturbed; a
killed process leaves the second alone. With AT null no call is counted.

The calls of the process itself are counted, in Python: those of `os`, of files that are opened, of locks, and starts of
processes. Imports aren't counted, and pipes and terminals are none of it. A script of its own: it imports nothing of the
tests, so that the disturbed process is the product and this file.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import gc
import io
import json
import os
import pkgutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, Self

PATH_CALLS = (
    *(
        "access",
        "chmod",
        "link",
        "listdir",
        "lstat",
        "mkdir",
        "open",
        "readlink",
        "remove",
        "rename",
        "replace",
        "rmdir",
    ),
    *("scandir", "stat", "statvfs", "symlink", "truncate", "unlink", "utime"),
)
FILE_CALLS = (
    *(
        "copy_file_range",
        "fchmod",
        "fdatasync",
        "fstat",
        "fsync",
        "ftruncate",
        "pread",
        "pwrite",
        "read",
        "readv",
        "sendfile",
    ),
    *("write", "writev"),
)

_original_open = io.open
_original_os_open = os.open
_original_fstat = os.fstat
_write_note = os.write


class Calls:
    """The calls so far, and what happens at one of them. Not counted until `armed`."""

    at, action, armed, number, _note = 0, "", False, 0, -1

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def arm(self, at: int, action: str, note: str) -> None:
        """Count from here on, and disturb call number `at`."""
        self.at, self.action = at, action
        self._note = _original_os_open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.armed = True

    def disarm(self) -> None:
        """Count no longer, and note how many calls there were."""
        if self.armed:
            self.armed = False
            self.write_note(calls=self.number)

    def count(self, name: str, subject: object = None) -> None:
        """Count a call, and disturb it if it is the one."""
        if not self.armed:
            return
        with self._lock:
            self.number += 1
            chosen = self.number == self.at
        if chosen:
            self._disturb(name, subject)

    def _disturb(self, name: str, subject: object) -> None:
        place = _place_in_product()
        self.write_note(disturbed=f"{name}({os.fspath(subject) if _is_path(subject) else subject!r}) of {place}")
        if self.action.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, self.action))
            return
        number = getattr(errno, self.action)
        raise OSError(number, os.strerror(number), *([subject] if _is_path(subject) else []))

    def write_note(self, **values: object) -> None:
        """Write a line into the note."""
        _write_note(self._note, json.dumps(values, default=repr).encode() + b"\n")


def _place_in_product() -> str:
    """Return the module and line of the product that made the call."""
    frame = sys._getframe()
    while frame is not None and "cdk_lambda_package/" not in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    return (
        f"{frame.f_code.co_filename.rpartition('cdk_lambda_package/')[2]}:{frame.f_lineno}"
        if frame
        else "its libraries"
    )


def _is_path(value: object) -> bool:
    return isinstance(value, str | bytes | os.PathLike)


def _is_file(descriptor: object) -> bool:
    """Tell whether it is the descriptor of a file or directory, not of a pipe or terminal."""
    try:
        mode = _original_fstat(int(descriptor)).st_mode  # type: ignore[call-overload]
    except (OSError, TypeError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


class Entry:
    """An entry of a directory, whose `stat` counts."""

    def __init__(self, entry: os.DirEntry[Any], calls: Calls) -> None:
        self._entry, self._calls = entry, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self._entry.path

    def stat(self, **options: Any) -> os.stat_result:
        self._calls.count("DirEntry.stat", self._entry.path)
        return self._entry.stat(**options)


class Entries:
    """What `os.scandir` returns."""

    def __init__(self, entries: Any, calls: Calls) -> None:
        self._entries, self._calls = entries, calls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        return Entry(next(self._entries), self._calls)

    def close(self) -> None:
        self._entries.close()


def make_file_class(calls: Calls) -> type[io.FileIO]:
    """Return the class of files whose calls count."""

    class File(io.FileIO):
        def __init__(self, file: Any, mode: str, closefd: bool = True, opener: Any = None) -> None:
            calls.count("open", file)
            super().__init__(file, mode, closefd, opener)

        def readinto(self, buffer: Any) -> Any:
            calls.count("read", self.name)
            return super().readinto(buffer)

        def readall(self) -> Any:
            calls.count("read", self.name)
            return super().readall()

        def read(self, size: Any = -1) -> Any:
            calls.count("read", self.name)
            return super().read(size)

        def write(self, data: Any) -> Any:
            calls.count("write", self.name)
            return super().write(data)

    return File


def make_open(calls: Calls, kind: type[io.FileIO]) -> Callable[..., Any]:
    """Return what takes the place of `open`: the layers of the real one over a file whose calls count."""

    def open_counted(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if not calls.armed or not (_is_path(file) or _is_file(file)):
            return _original_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        binary = "b" in mode
        raw = kind(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        buffered: Any
        if "+" in mode:
            buffered = io.BufferedRandom(raw)
        else:
            buffered = io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)
        if binary:
            return buffered
        text = io.TextIOWrapper(buffered, io.text_encoding(encoding), errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text

    return open_counted


def replace_call(calls: Calls, owner: Any, name: str, *, of_files: bool) -> None:
    """Put a counting function in the place of one that reads or writes, if this system has it.

    Functions `of_files` take descriptors, and count unless they are those of pipes and terminals.
    """
    original = getattr(owner, name, None)
    if original is None:
        return

    def counted(*arguments: Any, **options: Any) -> Any:
        # `sendfile` and `copy_file_range` take two.
        if not of_files or any(_is_file(argument) for argument in arguments[:2] if isinstance(argument, int)):
            calls.count(name, arguments[0] if arguments else None)
        made = original(*arguments, **options)
        return Entries(made, calls) if name == "scandir" and calls.armed else made

    counted.__name__ = name
    setattr(owner, name, counted)
    for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        if original in known:
            known.add(counted)


def replace_calls(calls: Calls) -> None:
    """Put counting functions in the place of all that read, write, lock, and start processes."""
    for name in PATH_CALLS:
        replace_call(calls, os, name, of_files=False)
    for name in FILE_CALLS:
        replace_call(calls, os, name, of_files=True)
    for name in ("flock", "lockf"):
        replace_call(calls, fcntl, name, of_files=True)
    start = subprocess._fork_exec  # type: ignore[attr-defined]

    def start_counted(argv: Any, *rest: Any) -> Any:
        calls.count("start", os.fsdecode(argv[0]))
        return start(argv, *rest)

    subprocess._fork_exec = start_counted  # type: ignore[attr-defined]
    builtins.open = io.open = make_open(calls, make_file_class(calls))


# jsii's process, and scripts for the interpreters of others.
_NOT_IMPORTED = ("cdk_lambda_package.cdk", "cdk_lambda_package.inside_pip", "cdk_lambda_package.__main__")


def import_product() -> None:
    """Import all modules of the product that a build may use, so that no fork has to."""
    import cdk_lambda_package

    folders = [cdk_lambda_package]
    for folder in folders:
        for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
            if module.name not in _NOT_IMPORTED:
                imported = import_module(module.name)
                folders += [imported] if module.ispkg else []


def run_command(calls: Calls, command: dict[str, Any]) -> int:
    """Run a command in this process, a fork, and return its status."""
    from cdk_lambda_package.cli import run

    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, command["said"], os.O_WRONLY | os.O_CREAT)):
        opened = _original_os_open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    sys.argv = ["cdk-lambda-package", *command["argv"]]
    try:
        if command["at"] is not None:
            calls.arm(command["at"], command["action"], command["note"])
        return run()
    finally:
        calls.disarm()


def main() -> int:
    """Fork for each command until there are no more. Returns in each fork too, with the command's status."""
    calls = Calls()
    replace_calls(calls)
    import_product()
    # What was imported stays until the end of each fork, and the collector needn't look at it.
    gc.freeze()
    answers = os.dup(1)
    while line := sys.stdin.readline():
        if (pid := os.fork()) == 0:
            os.close(answers)
            return run_command(calls, json.loads(line))
        _write_note(answers, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        _write_note(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    return 0


if __name__ == "__main__":
    # Its own directory would let the modules of the tests shadow others.
    sys.path.pop(0)
    sys.exit(main())
