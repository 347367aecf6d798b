"""Writing a package to its place, whole or not at all, and knowing it again there."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cdk_lambda_package.app_directory.stat_cache import signature
from cdk_lambda_package.errors import OutputError
from cdk_lambda_package.splicing.archive import Splice, explain_os_errors, write_tree, write_zip
from cdk_lambda_package.store import Store, replacing

# What was written where: a file is known again by its stat result, as long as nobody touched it.
_KIND = "outputs"

Stamps = dict[str, list[int]]


class Form(enum.StrEnum):
    """How a package is written: as a .zip file archive, or unpacked, for debuggers and local emulators."""

    ZIP = "zip"
    DIRECTORY = "directory"


def find_current(path: Path, key: str, form: Form, store: Store) -> bool:
    """Tell whether the package of this key is at `path` as it was written, untouched."""
    content = store.read(_KIND, _name(path))
    if content is None:
        return False
    written_key, written_form, stamps = json.loads(content)
    return (written_key, written_form) == (key, form.value) and bool(stamps) and stamps == _stamps(path, form)


def write_output(path: Path, splices: Sequence[Splice], key: str, form: Form, store: Store) -> None:
    """Write the package to `path`, which holds the old content or all of the new at any moment.

    Raises `OutputError` where it can't be written, or where something of the user's would be lost.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A symbolic link, such as /dev/stdout, isn't ours to replace: what it leads to is meant.
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
        if form is Form.ZIP:
            stamps = _write_file(place, splices)
        else:
            _refuse_foreign_files(place, _read_written(path, store))
            stamps = _replace_directory(place, splices)
    store.write(json.dumps([key, form.value, stamps]).encode(), _KIND, _name(path))


def _write_file(path: Path, splices: Sequence[Splice]) -> Stamps:
    if path.is_dir():
        raise OutputError(
            f"{str(path)!r} is a directory; give the name of a .zip file, or end it with a slash to unpack."
        )
    if path.exists() and not path.is_file():
        raise OutputError(f"{str(path)!r} is neither a file nor a directory; give the name of a .zip file.")
    with replacing(path) as stream:
        write_zip(splices, stream)
        written = os.fstat(stream.fileno())
    stamps = _stamps(path, Form.ZIP)
    # Another process may have been there since; its package isn't to be taken for this one.
    return stamps if stamps.get("", [None])[-1] == written.st_ino else {}


def _replace_directory(path: Path, splices: Sequence[Splice]) -> Stamps:
    if path.exists() and not path.is_dir():
        raise OutputError(f"{str(path)!r} is a file; give a directory's name to unpack into.")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:40]}-") as workspace:
        fresh, old = Path(workspace, "new"), Path(workspace, "old")
        fresh.mkdir()
        write_tree(splices, fresh)
        stamps = _stamps(fresh, Form.DIRECTORY)
        if path.exists():
            path.rename(old)
        fresh.rename(path)
    return stamps


def _read_written(path: Path, store: Store) -> Stamps:
    content = store.read(_KIND, _name(path))
    written: Stamps = json.loads(content)[2] if content else {}
    return written


def _refuse_foreign_files(path: Path, written: Stamps) -> None:
    """Refuse to replace a directory with anything in it that wasn't written here, or was changed since."""
    found = _stamps(path, Form.DIRECTORY)
    foreign = sorted(name for name, stamp in found.items() if written.get(name) != stamp)
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise OutputError(
            f"{str(path)!r} has files that weren't written by an earlier run, or were changed since: {shown}. "
            "They would be lost; choose another directory, or empty this one."
        )


def _stamps(path: Path, form: Form) -> Stamps:
    if form is Form.ZIP:
        return {"": signature(path.stat())} if path.is_file() else {}
    # No package has byte code caches: these are Python's, of somebody who imported from here.
    files = (
        file
        for file in path.rglob("*")
        if (not file.is_dir() or file.is_symlink()) and file.parent.name != "__pycache__"
    )
    return {str(file.relative_to(path)): signature(file.lstat()) for file in files}


def _name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
