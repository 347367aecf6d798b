"""Stage 7: write a package to its place, whole or not at all, and recognise it there in the next build."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cdk_lambda_package.app_directory import FileStamp, file_stamp
from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.outputs import replacing_file, replacing_folder
from cdk_lambda_package.splicing import ContentDigest, Splice, write_tree, write_zip
from cdk_lambda_package.store import Store, remembered

_Stamps = Mapping[str, FileStamp]


@remembered("outputs", version=3)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """The content that was written to a path: a package by its key, and the stamp of each file, by which it is recognised."""

    package_key: str
    unpacked: bool
    stamps: _Stamps = field(default_factory=dict)


@remembered("output-folders", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Archives:
    """The files that were written into a folder, by their names: the key of each, and its stamp."""

    written: dict[str, tuple[str, FileStamp]] = field(default_factory=dict)


class OutputFolder:
    """A folder that many files are written into, such as that of an app's assets: archives, and what describes them.

    What is known of them is one record, which is read at the beginning of the block, and kept at its end. Threads may share it.

    Example:
        ```python
        with OutputFolder(Path("cdk.out"), store) as folder:
            package(request, InFolder(folder, lambda digest: Path("cdk.out", f"{digest}.zip")), store=store)
        ```
    """

    def __init__(self, path: Path, store: Store) -> None:
        self._path, self._store = path, store
        self._written = (store.recall(_Archives, _key(path)) or _Archives()).written
        self._is_changed = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what was written, if anything was; files that are gone are forgotten."""
        if self._is_changed:
            with contextlib.suppress(OSError):
                there = {*os.listdir(self._path)}  # noqa: PTH208 - of their names alone
                known = {name: one for name, one in self._written.items() if name in there}
                self._store.remember(_Archives(written=known), _key(self._path))

    def has(self, path: Path, key: str) -> bool:
        """Tell whether the file of this key is at a path in the folder as it was written."""
        stamp = _stamps(path).get("") if path.name in self._written else None
        return stamp is not None and self._written[path.name] == (key, stamp)

    def note(self, path: Path, key: str, stamp: FileStamp | None) -> None:
        """Note what was written to a path in the folder; without a stamp, it isn't known to be the file of this key."""
        self._is_changed = True
        if stamp is None:
            self._written.pop(path.name, None)
        else:
            self._written[path.name] = key, stamp


@dataclass(frozen=True, slots=True)
class InFolder:
    """Returns where in an output folder to write a package, by the digest of its content."""

    folder: OutputFolder
    path_of: Callable[[ContentDigest], Path]

    def __call__(self, digest: ContentDigest) -> Path:
        """Return the path."""
        return self.path_of(digest)


def is_current(path: Path, key: str, store: Store, *, unpacked: bool, folder: OutputFolder | None = None) -> bool:
    """Tell whether the package of this key is at `path` as it was written, or `unpacked` there, unchanged.

    Example:
        `is_current(Path("orders.zip"), inputs.key, store, unpacked=False)`
    """
    if folder is not None and not unpacked:
        return folder.has(path, key)
    written = store.recall(_Output, _key(path))
    if written is None or not written.stamps:
        return False
    return written == _Output(package_key=key, unpacked=unpacked, stamps=_stamps(path, written.stamps))


@during("writing the package")
def write_output(
    path: Path,
    splices: Sequence[Splice],
    key: str,
    store: Store,
    *,
    unpacked: bool,
    folder: OutputFolder | None = None,
) -> None:
    """Write the package to `path` as a .zip file archive, or `unpacked` for debuggers and local emulators.

    At any moment, the path has the old content or all of the new. Raises `OutputError` if it can't be written, or if files of
    the user's would be lost.

    Example:
        `write_output(Path("orders.zip"), layout.splices, inputs.key, store, unpacked=False)`
    """
    if unpacked:
        refuse_foreign_files(path, store)
        with replacing_folder(path) as fresh:
            write_tree(splices, fresh)
            stamps = _stamps(fresh)
    else:
        stamps = _write_file(path, lambda stream: write_zip(splices, stream))
    if folder is not None and not unpacked:
        folder.note(path, key, stamps.get(""))
    else:
        store.remember(_Output(package_key=key, unpacked=unpacked, stamps=stamps), _key(path))


def keep_written(path: Path, content: Callable[[], bytes], key: str, folder: OutputFolder) -> None:
    """Write a file into a folder, unless the one that was written for this key is there unchanged; `content` returns its bytes.

    Raises `OutputError` if it can't be written.

    Example:
        `keep_written(Path("cdk.out", "Stack.Orders.manifest.json"), lambda: made.manifest_json, made.manifest_key, folder)`
    """
    if not folder.has(path, key):
        written = content()
        folder.note(path, key, _write_file(path, lambda stream: stream.write(written)).get(""))


def _write_file(path: Path, write: Callable[[IO[bytes]], object]) -> _Stamps:
    """Write a file whole, and return its stamp; none if another process replaced it since, whose file must not be taken for this one."""
    with replacing_file(path) as stream:
        write(stream)
        written = os.fstat(stream.fileno())
    stamps = _stamps(path)
    return stamps if stamps and stamps[""].inode == written.st_ino else {}


def refuse_foreign_files(path: Path, store: Store) -> None:
    """Raise `OutputError` if a directory has files that weren't written here, or were changed since.

    Example:
        `refuse_foreign_files(Path("orders"), Store.open())` before a package is unpacked there.
    """
    if not path.is_dir():
        return
    known = store.recall(_Output, _key(path))
    written = known.stamps if known else {}
    found = _stamps(path, written)
    foreign = sorted(name for name, stamp in found.items() if written.get(name) != stamp)
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise OutputError(
            f"{str(path)!r} has files that weren't written by an earlier run, or were changed since: {shown}. "
            "They would be lost; choose another directory, or empty this one."
        )


def _stamps(path: Path, written: _Stamps | None = None) -> _Stamps:
    """Return the stamps of the files of a package; of bytecode that is there, only of that which was `written`."""
    try:
        known = path.stat()
    except OSError:
        return {}
    if stat.S_ISREG(known.st_mode):
        return {"": file_stamp(known)}
    found = {str(file.relative_to(path)): file for file in path.rglob("*") if file.is_symlink() or not file.is_dir()}
    return {
        name: file_stamp(file.lstat())
        for name, file in found.items()
        # Python writes bytecode when modules are imported from here.
        if written is None or name in written or file.parent.name != "__pycache__"
    }


def _key(path: Path) -> str:
    return key_of(str(path.absolute()))
