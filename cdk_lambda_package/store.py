"""The content-addressed store on disk: what was fetched, spliced or resolved once and needn't be again.

Layout below the root, all keys being digests:

    v1/wheels/<sha256>/<file name>     wheels as they were fetched
    v1/downloads/<sha256>/<file name>  other files as they were fetched: sources, metadata
    v1/segments/<key>                  wheels in the form that goes into packages
    v1/prepared/<key>/                 copies of entry directories that commands changed
    v1/<kind>/<key>                    records: resolutions, packages, stat caches, outputs
    v1/tmp/                            unfinished files, locks, and who uses what (`store_use.py`)

A value that is kept between processes is a dataclass, declared once with `@remembered`; `Store.recall` and
`Store.remember` read and write it.

Trouble with the store is never fatal where work can be done without it: what can't be read, or isn't a regular file, is a
miss, a record that can't be written isn't kept, and what has no room in the store goes to a directory of the process. A file
comes into being by a rename, so other processes see all of it or nothing; losing the race to write one is success, since both
wrote the same content.

A file that `find`, `find_wheel`, `add`, `adopt` or `place` returned stays as long as its process, even if the store is cleared or
pruned. Records come and go: one that has gone is a miss.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import msgspec

from cdk_lambda_package.decoding import decode
from cdk_lambda_package.file_locks import held, lock_name
from cdk_lambda_package.recent import Recent
from cdk_lambda_package.store_use import Use, removing
from cdk_lambda_package.urls import file_sha256
from cdk_lambda_package.variables import OutsideName
from cdk_lambda_package.workers import Claims, pause

CACHE_DIR_VARIABLE = OutsideName(
    "CDK_LAMBDA_PACKAGE_CACHE_DIR",
    meaning="The directory of the store, for constructs and commands. `--cache-dir` overrides it.",
    default="`cdk-lambda-package` in the user's cache directory",
)
CACHE_SIZE_VARIABLE = OutsideName(
    "CDK_LAMBDA_PACKAGE_CACHE_SIZE",
    meaning="The size to which builds prune the store once a day, such as `2GB` or `500MiB`.",
    default="`10GB`",
)

WHEELS = "wheels"
"""The kind of the files that are wheels."""

DOWNLOADS = "downloads"
"""The kind of other files that were fetched. It and `urls`, records of what URLs led to, are `inside_pip/downloads.py`'s."""

# Part of the path, so that an older or newer version of the library never misreads what it finds.
FORMAT = "v1"

TMP = "tmp"
"""The folder for what isn't finished, beside those of the kinds."""

# What says that the store has no place for a file, and another directory may have one.
_NO_PLACE = frozenset({errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS})

# Bytes of the records and segments whose values an object of the store keeps. In memory, they take three to five times as many.
_MOST_RECENT = 2_000_000

# A use is written down once a day: what was used least recently is pruned first.
_USES_COUNT_FOR = 24 * 3600

# Where the system has neither, as on Windows, the path is looked at before.
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0) and os.O_NOFOLLOW | os.O_NONBLOCK
_READING: int = os.O_RDONLY | _NO_LINK | getattr(os, "O_BINARY", 0)

T = TypeVar("T")

_REMEMBERED = "_remembered_as"


class _Place(NamedTuple):
    """Where the values of a `remembered` class are kept, and whether an object of the store keeps the last ones itself."""

    kind: str
    version: int
    shared: bool


def remembered(kind: str, *, version: int, shared: bool = False) -> Callable[[type[T]], type[T]]:
    """Declare a dataclass as a value that the store keeps, in the folder `kind`.

    `shared` values are those that many packages of one process ask for: a `Store` reads the record of each once. The key of such a
    value must say all of what it depends on. Raise `version` whenever the same key would give another value, or its fields change. The types of its fields must be
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
        setattr(cls, _REMEMBERED, _Place(kind, version, shared))
        return cls

    return declare


class Store:
    """Files and records by kind and key, below one directory.

    A directory that can't be written to is still read. New files then go to a temporary directory that is deleted with this object.

    Example:
        `package(request, lambda digest: Path("orders.zip"), store=Store.open("build/cache"))`
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = root / FORMAT
        # Where to look, the first being where to write.
        self._bases: tuple[Path, ...] = (self._base,)
        self._uses: dict[Path, Use] = {}
        self._lent = 0
        self._one_at_a_time = threading.Lock()
        self.claims = Claims()
        """What threads make of it at the moment."""
        # What many packages of the process ask for: shared values by the places of their records, and segments by their keys.
        self.recent = Recent[Any](_MOST_RECENT)
        self.has_new = False
        weakref.finalize(self, _close, self._uses)
        if not _can_write(self._base):
            self._fall_back(self._base)

    @classmethod
    def open(cls, directory: str | os.PathLike[str] | None = None) -> Store:
        """Return the store at `directory`, else at `$CDK_LAMBDA_PACKAGE_CACHE_DIR`, else in the user's cache directory.

        Example:
            `Store.open("build/cache")`
        """
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

    def has(self, kind: str, *key: str) -> bool:
        """Tell whether the store has a file of this kind and key at the moment."""
        return any(map(_is_regular, self._paths(kind, *key)))

    def find(self, kind: str, *key: str) -> Path | None:
        """Return the file of this kind and key, if the store has it."""
        if self.has(kind, *key):
            self._note(kind, *key)
        return self._locate(kind, *key)

    def find_wheel(self, sha256: str, filename: str) -> Path | None:
        """Return a wheel's file if it still is what it was; one that was altered is forgotten."""
        path = self.find(WHEELS, sha256, filename)
        try:
            if path is None:
                return None
            if file_sha256(path) == sha256:
                _touch(path, path.stat())
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
        self._note(kind, *key)
        _make_folder(path.parent, self._bases[0])
        return path

    def add(self, write: Callable[[IO[bytes]], None], kind: str, *key: str) -> Path:
        """Write a file whole or not at all, and return its path. `OSError` reaches the caller."""

        def put(path: Path) -> None:
            with replacing(path, workspace=self._tmp()) as stream:
                write(stream)
                self._note(kind, *key)

        return self._put(put, kind, *key)

    def adopt(self, file: Path, kind: str, *key: str) -> Path:
        """Move a finished file of a workspace into the store, and return its path. `OSError` reaches the caller."""

        def put(path: Path) -> None:
            self._note(kind, *key)
            try:
                file.replace(path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # The workspace is from before the store was full.
                with file.open("rb") as source, replacing(path, workspace=self._tmp()) as stream:
                    shutil.copyfileobj(source, stream)

        return self._put(put, kind, *key)

    def _put(self, put: Callable[[Path], None], kind: str, *key: str) -> Path:
        """Put a file where it belongs, whatever stands in its way; where there is no room, in the overlay."""
        attempts = 0
        while True:
            attempts += 1
            base = self._bases[0]
            path = base.joinpath(kind, *key)
            try:
                _make_folder(path.parent, base)
                put(path)
            except OSError as error:
                if attempts == 1:
                    self._make_way(path)
                elif error.errno not in _NO_PLACE or not self._fall_back(base):
                    raise
            else:
                self.has_new = True
                return path

    def _make_way(self, path: Path) -> None:
        """Remove what isn't a regular file at a file's path, and folders on the way to it that can't be used."""
        if not _is_regular(path):
            discard(path)
        for folder in (path.parent, *path.parent.parents):
            if folder == self._bases[0]:
                break
            if not os.access(folder, os.W_OK | os.X_OK):
                discard(folder)

    def _fall_back(self, base: Path) -> bool:
        """Write to a directory that lives as long as this object from now on, in place of `base`; return False if that was one."""
        with self._one_at_a_time:
            if self._bases[0] != base:
                # Another thread was here before.
                return True
            if self.read_only:
                return False
            # A killed process leaves it, so the next one that needs such a directory sweeps it.
            use = Use(Path(tempfile.gettempdir()), prefix="cdk-lambda-package-", mode=0o700)
            overlay = use.directory / FORMAT
            overlay.mkdir()
            self._uses[use.directory] = use
            self._bases = (overlay, *self._bases)
            return True

    def read(self, kind: str, *key: str) -> bytes | None:
        """Return a record's content, or None where it is missing, unreadable or not what was written."""
        for path in self._paths(kind, *key):
            with contextlib.suppress(OSError):
                digest, _, content = _read_file(path).partition(b"\n")
                return content if digest == checksum(content) else None
        return None

    def write(self, content: bytes, kind: str, *key: str) -> None:
        """Keep a record; a full disk means that it isn't kept."""
        with contextlib.suppress(OSError):
            self.add(lambda stream: stream.writelines((checksum(content), b"\n", content)), kind, *key)

    def recall(self, cls: type[T], key: str, *, beside: str | None = None) -> T | None:
        """Return the value of a `remembered` class that was kept under a key; None if there is none that can be read."""
        place, is_shared = _place_of(cls, key, beside), _declaration(cls).shared
        known: T | None = self.recent.get(place) if is_shared else None
        if known is not None:
            return known
        content = self.read(*place)
        if content is None:
            return None
        try:
            value: T = decode(content, cls)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if is_shared:
            self.recent.put(place, value, weight=len(content))
        return value

    def remember(self, value: object, key: str, *, beside: str | None = None) -> None:
        """Keep a value of a `remembered` class under the key of all that it depends on (`keys.key_of`).

        `beside` is the key of the entry that the value is about, such as a segment: the two are pruned together.
        """
        place = _place_of(type(value), key, beside)
        self.recent.drop(place)
        # Names of files that aren't Unicode can't be kept.
        with contextlib.suppress(UnicodeEncodeError):
            self.write(msgspec.json.encode(value), *place)

    def remove(self, kind: str, *key: str) -> None:
        """Forget a file or record, if it is there."""
        self.recent.drop((kind, *key))
        for base in self._bases:
            with contextlib.suppress(OSError):
                base.joinpath(kind, *key).unlink()

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Lend a directory on the store's own file system, from which a finished file can be renamed into place."""
        with self._one_at_a_time:
            self._lent += 1
        try:
            with tempfile.TemporaryDirectory(dir=self._use().directory, ignore_cleanup_errors=True) as directory:
                yield Path(directory)
        finally:
            with self._one_at_a_time:
                self._lent -= 1

    @contextlib.contextmanager
    def lock(self, kind: str, *key: str, doing: str, notice: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold a lock of this kind and key during the block, so that one process at a time does what gives the entry.

        See `file_locks.held`. Look in the store again before doing it: the last holder may have.

        Example:
            `with store.lock("builds", key, doing=f"builds {source.title}"): …`
        """
        with held(self._tmp() / lock_name(kind, *key), doing=doing, notice=notice, pause=pause):
            yield

    def for_downloads(self) -> dict[str, Any]:
        """Return what `inside_pip/downloads.py` has to know of the store, as values for JSON."""
        return {
            "bases": [str(base) for base in self._bases],
            "locks": str(self._tmp()),
            "workspace": str(self._use().directory),
            "started": time.time(),
        }

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return, by kind, how many files the store holds and their bytes."""
        sizes: dict[str, tuple[int, int]] = {}
        for kind in sorted(path for path in self._base.glob("*") if path.is_dir() and path.name != TMP):
            # Links lead to what isn't the store's.
            files = [path.stat().st_size for path in kind.rglob("*") if path.is_file() and not path.is_symlink()]
            if files:
                sizes[kind.name] = (len(files), sum(files))
        return sizes

    def clear(self) -> None:
        """Remove everything that this library wrote below the root, and nothing else.

        Entries that other processes use stay, and what they are writing at the moment.
        """
        self.recent.clear()
        with self.removing("clears the store", own=False) as used:
            for path in self._base.glob("*"):
                if path.name == TMP:
                    continue
                if path.is_dir() and not path.is_symlink():
                    for entry in path.iterdir():
                        if f"{path.name}/{entry.name}" not in used:
                            discard(entry)
                    with contextlib.suppress(OSError):
                        path.rmdir()
                else:
                    discard(path)
        with contextlib.suppress(OSError):
            self._base.rmdir()

    @contextlib.contextmanager
    def removing(self, doing: str, *, own: bool = True) -> Iterator[set[str]]:
        """Yield the entries that are in use, as `kind/first part of the key`; no process begins to use others before the end.

        Those that this object uses are left out unless they are `own`.
        """
        use = self._uses.get(self._base)
        if not own and use is not None and not self._lent:
            self._uses.pop(self._base).close()
            use = None
        with removing(self._base / TMP, doing, own=None if own else use) as used:
            yield used

    def _paths(self, kind: str, *key: str) -> Iterator[str]:
        """Yield where a file may be. As text: paths as objects would take most of the time of a record that is read."""
        name = "/".join((kind, *key))
        return (f"{base}/{name}" for base in self._bases)

    def _locate(self, kind: str, *key: str) -> Path | None:
        found = next(filter(_is_regular, self._paths(kind, *key)), None)
        return None if found is None else Path(found)

    def _note(self, kind: str, *key: str) -> None:
        """Keep other processes from removing an entry; without the right to write there, none of ours can."""
        with contextlib.suppress(OSError):
            self._use().note(f"{kind}/{key[0]}")

    def _use(self) -> Use:
        """Return this object's directory in the folder for what isn't finished."""
        with self._one_at_a_time:
            base = self._bases[0]
            if base not in self._uses:
                self._uses[base] = Use(self._tmp())
            return self._uses[base]

    def _tmp(self) -> Path:
        """Return the folder for what isn't finished."""
        directory = self._bases[0] / TMP
        _make_folder(directory, self._bases[0])
        return directory


def discard(path: Path) -> None:
    """Remove whatever is at a path, as far as that is possible.

    Example:
        `discard(store.root / "v1" / "wheels" / sha256)`
    """
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            # One that can't be listed can't be removed either.
            path.chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


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


def checksum(content: bytes) -> bytes:
    r"""Return the first line of a record with that content, without its end.

    Example:
        `checksum(content) == record.partition(b"\n")[0]`
    """
    return hashlib.sha256(content).hexdigest().encode()


def version_of(cls: type[object]) -> int:
    """Return the version of a `remembered` class, for the keys of values that are made of its values.

    Example:
        `version_of(Build)`
    """
    return _declaration(cls).version


def _declaration(cls: type[object]) -> _Place:
    found: _Place = getattr(cls, _REMEMBERED)
    return found


def _place_of(cls: type[object], key: str, beside: str | None) -> tuple[str, str]:
    """Return the kind and the name of a remembered value's record. Files whose names begin with one key are one entry."""
    kind, version, _ = _declaration(cls)
    return kind, f"{beside}-{key}-{version}" if beside else f"{key}-{version}"


def _close(uses: dict[Path, Use]) -> None:
    for use in uses.values():
        use.close()


def _read_file(path: str) -> bytes:
    """Return what is in a file of ours, and write down that it was used. Raises `OSError` for whatever else is there.

    With as few calls as that takes: records are most of what is read for an unchanged package.
    """
    if not _NO_LINK and not _is_regular(path):
        raise FileNotFoundError(path)
    descriptor = os.open(path, _READING)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(path)
        _touch(path, found)
        # One that grows meanwhile isn't a record: these are written whole.
        return os.read(descriptor, found.st_size)
    finally:
        os.close(descriptor)


def _is_regular(path: str | Path) -> bool:
    """Tell whether a path is a file of ours: opening a pipe may never return, and a link leads to another's file."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _make_folder(folder: Path, base: Path) -> None:
    """Make a directory below the base; what stands in its place, and is none, goes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        for part in (folder, *folder.parents):
            if part == base:
                break
            if part.is_symlink() or (part.exists() and not part.is_dir()):
                discard(part)
        folder.mkdir(parents=True, exist_ok=True)


def _touch(path: str | Path, found: os.stat_result) -> None:
    """Write down that a file was used; its time of change is that of its last use, as long as nothing else is."""
    now = time.time()
    if found.st_mtime < now - _USES_COUNT_FOR:
        with contextlib.suppress(OSError):
            os.utime(path, (now, now))


def _can_write(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".probe-"):
            return True
    except OSError:
        return False
