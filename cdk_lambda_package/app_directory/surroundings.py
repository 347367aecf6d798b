"""What lies in the entry directory and isn't in the package: where somebody may have expected it to be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.app_directory.app import App, Origin
from cdk_lambda_package.app_directory.entry import VENDOR_FOLDER
from cdk_lambda_package.app_directory.member_names import NEVER_FOLDERS

_NOT_CODE = NEVER_FOLDERS | {VENDOR_FOLDER}


def find_unpackaged(app: App, *, deep: bool) -> tuple[str, ...]:
    """Return the modules of an entry directory that aren't packaged, by their paths, sorted.

    Of a folder that has no packaged file there is only its own path, with a slash at the end. Packaged folders are
    looked into if `deep`, as is needed where `exclude` may have left out something of them.
    """
    packaged = {file.path for file in app.files if file.origin is Origin.APP}
    tops = {path.partition("/")[0] for path in packaged}
    found = list(_list_top(app.entry, tops))
    if deep:
        found += (path for top in tops for path in _list_below(app.entry, top) if path not in packaged)
    return tuple(sorted(found))


def _list_top(entry: Path, packaged: set[str]) -> Iterator[str]:
    with os.scandir(entry) as children:
        for child in children:
            if child.name in packaged or child.name in _NOT_CODE:
                continue
            if child.name.endswith(".py"):
                yield child.name
            elif child.name.isidentifier() and child.is_dir():
                yield f"{child.name}/"


def _list_below(entry: Path, top: str) -> Iterator[str]:
    for folder, folders, files in os.walk(entry / top):
        folders[:] = [name for name in folders if name not in _NOT_CODE]
        below = Path(folder).relative_to(entry)
        yield from ((below / name).as_posix() for name in files if name.endswith(".py"))
