"""Stage 1: read the entry directory, or the copy of it that `before_packaging` left, and find what it requires."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from cdk_lambda_package.app_directory import (
    REQUIREMENTS_FILE,
    App,
    Selection,
    StatCache,
    SymlinkFollowMode,
    choose_index,
    read_app,
    read_facts,
)
from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.requirements import LockFile, find_lock_file, name_lock
from cdk_lambda_package.store import Store


def read_requested_app(request: PackageRequest, entry: Path, store: Store) -> App:
    """Return the files of an entry directory that the request packages; unchanged files aren't read again.

    Raises `EntryError`.
    """
    packaging = request.packaging
    index = choose_index(entry, request.handler_module)
    # A layer has no handler, so it may have libraries alone.
    needed = not request.root or request.handler_module is not None or os.path.lexists(entry / index)
    selection = Selection(
        index=index if needed else None,
        include=tuple(packaging.include or ()),
        exclude=tuple(packaging.exclude or ()),
        follow_symlinks=SymlinkFollowMode(packaging.value("follow_symlinks")),
        requirements=str(packaging.requirements) if packaging.requirements else None,
    )
    cache = StatCache(store, entry)
    app = read_app(entry, selection, cache.reader(read_facts))
    cache.save()
    return app


def requirements_source(request: PackageRequest, app: App) -> tuple[Path | None, LockFile | None]:
    """Return the requirements file, whose index options apply in any case, and the lock that applies."""
    if request.packaging.requirements is None:
        requirements, lock = app.requirements, find_lock_file(app.entry, origin=request.entry_path)
    else:
        requirements, lock = app.requirements, name_lock(app.requirements) if app.requirements else None
        if lock is not None:
            lock = dataclasses.replace(lock, named=True)
            beside = app.entry / REQUIREMENTS_FILE
            requirements = beside if beside.is_file() else None
    if lock is None and (request.packaging.groups or request.packaging.extras):
        raise OptionError(
            f"groups and extras are those of a lock, and {str(request.entry)!r} has none; write extras into the "
            "requirements file, as in 'name[extra]'."
        )
    return requirements, lock
