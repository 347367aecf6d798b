"""Outputs: what a command writes for the user. One rule holds for all of them.

A regular file, and a path where nothing is, is replaced whole: the content goes to a file beside it, which is then renamed. At any
moment the path has the old content or all of the new. The mode of an existing file stays, and missing folders above it are made.
A symbolic link stays a link: its target is replaced by the same rule. Everything else is refused, since it would either be replaced
by a regular file or couldn't be written whole: directories, devices, FIFOs, sockets, and names of open files such as /dev/stdout.

What isn't finished has the name of its output, `.cdk-lambda-package-` and digits: after a power cut, a person knows it by that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cdk_lambda_package.errors import OutputError, explain_os_errors

_MARK = "cdk-lambda-package"

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A path to write to: `name` is how errors call it, such as `--manifest`, and `folder` whether it becomes a directory.

    `unless_current` is for one that isn't written if it is there as it should be, perhaps where nothing can be written.

    Example:
        `Output(path=Path("orders.json"), name="--manifest").check()`
    """

    path: Path
    name: str = "output"
    folder: bool = False
    unless_current: bool = False

    @property
    def title(self) -> str:
        """How errors call it, with its path."""
        return f"{self.name} {str(self.path)!r}"

    def check(self) -> Path:
        """Return the place that is written, of a link the target; raises `OutputError` if it can't be.

        Nothing is changed. A full disk, for example, is seen only when the output is written.
        """
        with explain_os_errors(self.path):
            found, place = _stat(self.path), _find_place(self.path)
            if place is None:
                raise OutputError(
                    f"{self.title} is the name of an open file, not a place for a new one; give the name of a file."
                )
            self.check_kind(found)
            if self.folder and Path.cwd().is_relative_to(place):
                raise OutputError(f"{self.title} is the working directory, or above it; give another directory.")
            if found is None or not self.unless_current:
                _check_parent(place)
        return place

    def check_kind(self, found: os.stat_result | None) -> None:
        """Raise `OutputError` if what is there can't be replaced; None is nothing."""
        kind = None if found is None else stat.S_IFMT(found.st_mode)
        if kind is None or kind == (stat.S_IFDIR if self.folder else stat.S_IFREG):
            return
        what = _KINDS.get(kind, "a file")
        if self.folder:
            raise OutputError(f"{self.title} is {what}; give a directory's name to unpack into.")
        raise OutputError(f"{self.title} is {what}, not a file that could be replaced; give the name of a file.")


def check_outputs(outputs: Sequence[Output]) -> None:
    """Raise `OutputError` for an output that can't be written, and for two that are or contain the same file.

    Example:
        `check_outputs([Output(path=Path("orders.zip")), Output(path=Path("orders.json"), name="--manifest")])`
    """
    taken: list[tuple[Output, Path]] = []
    for output in outputs:
        place = output.check()
        for other, others in taken:
            if _is_same(place, others):
                raise OutputError(f"{output.title} and {other.title} are the same file; give each a file of its own.")
            if place.is_relative_to(others) or others.is_relative_to(place):
                inner, outer = (output, other) if place.is_relative_to(others) else (other, output)
                raise OutputError(f"{inner.title} is below {outer.title}, which is replaced whole; give another place.")
        taken.append((output, place))


@contextlib.contextmanager
def replacing_file(path: Path, *, name: str = "output") -> Iterator[IO[bytes]]:
    """Open a stream whose content takes the place of the file at `path` when the block ends well, and vanishes otherwise.

    Raises `OutputError` if it can't be written; the old content stays.

    Example:
        ```python
        with replacing_file(Path("orders.json")) as stream:
            stream.write(text.encode())
        ```
    """
    output = Output(path=path, name=name)
    place = output.check()
    with explain_os_errors(path):
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.parent / f"{_prefix(place)}{os.urandom(8).hex()}.tmp"
        mode = _mode(place)
        try:
            # Not mkstemp: its files are their owner's alone, and here the user's umask decides.
            with open(temporary, "xb", opener=_opener(mode)) as stream:
                if mode is not None:
                    temporary.chmod(mode)
                yield stream
            # It may have become something else meanwhile.
            output.check_kind(_stat(path))
            temporary.replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Give several files their contents, all of them or none: if one can't be replaced, the others get their old content back.

    Raises `OutputError`.

    Example:
        `replace_files({Path("orders/pylock.toml"): one, Path("refunds/pylock.toml"): other})`
    """
    # The files themselves: a link stays, also one that leads nowhere yet.
    places = {path: Output(path=path).check() for path in contents}
    old = {path: path.read_bytes() if path.exists() else None for path in contents}
    try:
        with contextlib.ExitStack() as stack:
            for path, content in contents.items():
                stack.enter_context(replacing_file(path)).write(content)
    except BaseException:
        for path, before in old.items():
            with contextlib.suppress(OSError, OutputError):
                if before is None:
                    places[path].unlink(missing_ok=True)
                elif path.read_bytes() != before:
                    with replacing_file(path) as stream:
                        stream.write(before)
        raise


@contextlib.contextmanager
def replacing_folder(path: Path, *, name: str = "output") -> Iterator[Path]:
    """Lend an empty directory that takes the place of the one at `path` when the block ends well, and vanishes otherwise.

    Raises `OutputError` if it can't be written; the old directory stays.

    Example:
        ```python
        with replacing_folder(Path("orders")) as folder:
            write_tree(layout.splices, folder)
        ```
    """
    place = Output(path=path, name=name, folder=True).check()
    with explain_os_errors(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=_prefix(place)) as workspace:
            fresh, old = Path(workspace, "new"), Path(workspace, "old")
            fresh.mkdir()
            yield fresh
            mode = _mode(place)
            if mode is not None:
                place.rename(old)
            try:
                fresh.rename(place)
            except BaseException:
                if mode is not None:
                    old.rename(place)
                raise
            if mode is not None:
                place.chmod(mode)


def _prefix(place: Path) -> str:
    return f".{place.name[:40]}.{_MARK}-"


def _mode(place: Path) -> int | None:
    """Return the permissions of what is at a place; None if nothing is there."""
    found = _stat(place)
    return None if found is None else stat.S_IMODE(found.st_mode)


def _opener(mode: int | None) -> Callable[[str, int], int]:
    # What only its owner may read is never readable for others, not for a moment.
    return lambda name, flags: os.open(name, flags, 0o666 if mode is None else mode & 0o600)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _find_place(path: Path) -> Path | None:
    """Return where a path really is, of a link the target; None if it is, or leads over, a name of an open file or a device."""
    while True:  # an endless link was an error before
        folder = os.path.realpath(path.parent)
        if folder in {"/dev", "/dev/fd"} or f"{folder}/".startswith("/proc/"):
            return None
        if not path.is_symlink():
            return Path(folder, path.name) if path.name not in ("", "..") else Path(os.path.realpath(path))
        path = path.parent / path.readlink()


def _check_parent(place: Path) -> None:
    """Raise `OSError` if nothing can be made beside a place."""
    parent = next(folder for folder in place.parents if os.path.lexists(folder))
    if not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
    if not os.access(parent, os.W_OK | os.X_OK):
        # The system's own word for it: a file system that is read-only gives another one.
        read_only = hasattr(os, "statvfs") and os.statvfs(parent).f_flag & os.ST_RDONLY
        code = errno.EROFS if read_only else errno.EACCES
        raise OSError(code, os.strerror(code), str(parent))


def _is_same(one: Path, other: Path) -> bool:
    first, second = _stat(one), _stat(other)
    # Hard links, too, and on some systems names in another case.
    return one == other or (first is not None and second is not None and os.path.samestat(first, second))
