"""Stage 7: write a package to its place, whole or not at all, and recognise it there in the next build."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cdk_lambda_package.app_directory import FileStamp, file_stamp
from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.outputs import replacing_file, replacing_folder
from cdk_lambda_package.splicing import Splice, write_tree, write_zip
from cdk_lambda_package.store import Store, remembered

_Stamps = Mapping[str, FileStamp]


@remembered("outputs", version=3)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """The content that was written to a path: a package by its key, and the stamp of each file, by which it is recognised."""

    package_key: str
    unpacked: bool
    stamps: _Stamps = field(default_factory=dict)


def is_current(path: Path, key: str, store: Store, *, unpacked: bool) -> bool:
    """Tell whether the package of this key is at `path` as it was written, or `unpacked` there, unchanged.

    Example:
        `is_current(Path("orders.zip"), inputs.key, store, unpacked=False)`
    """
    written = store.recall(_Output, _key(path))
    if written is None or not written.stamps:
        return False
    return written == _Output(package_key=key, unpacked=unpacked, stamps=_stamps(path, written.stamps))


@during("writing the package")
def write_output(path: Path, splices: Sequence[Splice], key: str, store: Store, *, unpacked: bool) -> None:
    """Write the package to `path` as a .zip file archive, or `unpacked` for debuggers and local emulators.

    At any moment, the path has the old content or all of the new. Raises `OutputError` if it can't be written, or if files of
    the user's would be lost.

    Example:
        `write_output(Path("orders.zip"), layout.splices, inputs.key, store, unpacked=False)`
    """
    if unpacked:
        refuse_foreign_files(path, store)
        with replacing_folder(path) as folder:
            write_tree(splices, folder)
            stamps = _stamps(folder)
    else:
        with replacing_file(path) as stream:
            write_zip(splices, stream)
            written = os.fstat(stream.fileno())
        stamps = _stamps(path)
        # Another process may have written its package since, which must not be taken for this one.
        stamps = stamps if stamps and stamps[""].inode == written.st_ino else {}
    store.remember(_Output(package_key=key, unpacked=unpacked, stamps=stamps), _key(path))


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
