"""The content-addressed store on disk: what was fetched, spliced or resolved once and needn't be again.

Layout below the root, all keys being digests:

    v1/wheels/<sha256>/<file name>     wheels as they were fetched
    v1/segments/<key>                  wheels in the form that goes into packages
    v1/<kind>/<key>                    records: resolutions, packages, stat caches, outputs

A value that is kept between processes is a dataclass, declared once with `@remembered`; `Store.recall` and
`Store.remember` read and write it.

Trouble with the store is never fatal where work can be done without it: what can't be read is a miss, a record that
can't be written isn't kept. A file comes into being by a rename, so other processes see all of it or nothing; losing
the race to write one is success, since both wrote the same content.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from cdk_lambda_package.urls import file_sha256

CACHE_DIR_VARIABLE = "CDK_LAMBDA_PACKAGE_CACHE_DIR"

WHEELS = "wheels"
"""The kind of the files that are wheels."""

# Part of the path, so that an older or newer version of the library never misreads what it finds.
FORMAT = "v1"

# Seconds after which an unfinished file is taken to be that of a killed process.
_ABANDONED = 24 * 3600

T = TypeVar("T")

_REMEMBERED = "_remembered_as"


def remembered(kind: str, *, version: int) -> Callable[[type[T]], type[T]]:
    """Declare a dataclass as a value that the store keeps, in the folder `kind`.

    Raise `version` whenever the same key would give another value, or its fields change. The types of its fields must be
    importable at run time, not only for type checkers.

    Example:
        ```python
        @remembered("builds", version=4)
        @dataclass(frozen=True, kw_only=True, slots=True)
        class Build:
            filename: str
            sha256: str

        store.remember(Build(filename=…, sha256=…), key)
        store.recall(Build, key)
        ```
    """

    def declare(cls: type[T]) -> type[T]:
        setattr(cls, _REMEMBERED, (kind, version))
        return cls

    return declare


class Store:
    """Files and records by kind and key, below one directory.

    A directory that can't be written to is still read from; what is new then goes to `overlay`, a directory that
    lives as long as this object.

    Example:
        ```python
        with_own_store = package(request, lambda digest: Path("orders.zip"), store=Store.open("build/cache"))
        ```
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = root / FORMAT
        # Where to look, the first being where to write.
        self._bases: tuple[Path, ...] = (self._base,)
        if not _can_write(self._base):
            # Not TemporaryDirectory: it warns unless it is closed, and a store is never closed.
            overlay = Path(tempfile.mkdtemp(prefix="cdk-lambda-package-"))
            weakref.finalize(self, shutil.rmtree, overlay, ignore_errors=True)
            self._bases = (overlay, self._base)

    @classmethod
    def open(cls, directory: str | os.PathLike[str] | None = None) -> Store:
        """Open the store at `directory`, else at $CDK_LAMBDA_PACKAGE_CACHE_DIR, else in the user's cache directory."""
        chosen = directory or os.environ.get(CACHE_DIR_VARIABLE)
        if chosen:
            return cls(Path(chosen).absolute())
        # Imported here: most processes name the directory or never open a store.
        from platformdirs import user_cache_path

        try:
            return cls(user_cache_path("cdk-lambda-package", appauthor=False))
        except RuntimeError:
            # A user without a home directory, as in a container with an arbitrary user id: nothing is kept.
            return cls(Path(os.devnull, "cdk-lambda-package"))

    @property
    def read_only(self) -> bool:
        """True if the root can't be written to, so that nothing made now is kept for the next process."""
        return len(self._bases) > 1

    def find(self, kind: str, *key: str) -> Path | None:
        """Return the file of this kind and key, if the store has it."""
        paths = (base.joinpath(kind, *key) for base in self._bases)
        # Not Path.is_file: it raises where a directory can't be read.
        return next((path for path in paths if os.path.isfile(path)), None)  # noqa: PTH113

    def find_wheel(self, sha256: str, filename: str) -> Path | None:
        """Return a wheel's file if it still is what it was; one that was altered is forgotten."""
        path = self.find(WHEELS, sha256, filename)
        try:
            if path is None or file_sha256(path) == sha256:
                return path
        except OSError:
            return None
        self.remove(WHEELS, sha256, filename)
        return None

    def folders(self, kind: str) -> tuple[Path, ...]:
        """Return where the records of a kind are, for a reader in another process; each is a digest's line, then itself."""
        return tuple(base / kind for base in self._bases)

    def place(self, kind: str, *key: str) -> Path:
        """Return where a file of this kind and key is to be written; its directory exists."""
        path = self._bases[0].joinpath(kind, *key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add(self, write: Callable[[IO[bytes]], None], kind: str, *key: str) -> Path:
        """Write a file whole or not at all, and return its path. `OSError` reaches the caller."""
        path = self.place(kind, *key)
        with replacing(path, workspace=self._workspace()) as stream:
            write(stream)
        return path

    def read(self, kind: str, *key: str) -> bytes | None:
        """Return a record's content, or None where it is missing, unreadable or not what was written."""
        path = self.find(kind, *key)
        if path is None:
            return None
        try:
            digest, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        return content if digest == _checksum(content) else None

    def write(self, content: bytes, kind: str, *key: str) -> None:
        """Keep a record; a full disk means that it isn't kept."""
        with contextlib.suppress(OSError):
            self.add(lambda stream: stream.writelines((_checksum(content), b"\n", content)), kind, *key)

    def recall(self, cls: type[T], key: str) -> T | None:
        """Return the value of a `remembered` class that was kept under a key; None if there is none that can be read."""
        kind, version = getattr(cls, _REMEMBERED)
        content = self.read(kind, f"{key}-{version}")
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    def remember(self, value: object, key: str) -> None:
        """Keep a value of a `remembered` class under the key of all that it depends on (`keys.key_of`)."""
        kind, version = getattr(type(value), _REMEMBERED)
        # Names of files that aren't Unicode can't be kept.
        with contextlib.suppress(UnicodeEncodeError):
            self.write(msgspec.json.encode(value), kind, f"{key}-{version}")

    def remove(self, kind: str, *key: str) -> None:
        """Forget a file or record, if it is there."""
        for base in self._bases:
            with contextlib.suppress(OSError):
                base.joinpath(kind, *key).unlink()

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Lend a directory on the store's own file system, from which a finished file can be renamed into place."""
        with tempfile.TemporaryDirectory(dir=self._workspace()) as directory:
            yield Path(directory)

    def _workspace(self) -> Path:
        """Return the directory for what isn't finished, rid of what killed processes left there."""
        directory = self._bases[0] / "tmp"
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        return directory

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return, by kind, how many files the store holds and their bytes."""
        sizes: dict[str, tuple[int, int]] = {}
        for kind in sorted(path for path in self._base.glob("*") if path.is_dir()):
            # Links lead to what isn't the store's.
            files = [path.stat().st_size for path in kind.rglob("*") if path.is_file() and not path.is_symlink()]
            if files:
                sizes[kind.name] = (len(files), sum(files))
        return sizes

    def clear(self) -> None:
        """Remove everything that this library wrote below the root, and nothing else.

        What other processes are writing at the moment stays; if they are killed, it is swept later.
        """
        for path in self._base.glob("*"):
            if path.name != "tmp":
                shutil.rmtree(path, ignore_errors=True)
        for folder in (self._base / "tmp", self._base):
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def replacing(path: Path, *, workspace: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` when the block ends well, and vanishes otherwise.

    It lies beside `path`, or in a `workspace` on the same file system.
    """
    # Not mkstemp: its files are their owner's alone, and here the user's umask decides.
    temporary = (workspace or path.parent) / f".{path.name[:40]}-{os.urandom(8).hex()}.tmp"
    try:
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _can_write(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".probe-"):
            return True
    except OSError:
        return False
