"""Stage 1: read the entry directory, or the copy of it that `before_packaging` left."""

from __future__ import annotations

import os
from pathlib import Path

from cdk_lambda_package.app_directory import (
    App,
    FolderCache,
    Selection,
    SymlinkFollowMode,
    facts_reader,
    read_app,
)
from cdk_lambda_package.failures import during
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.paths import Patterns
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import Target


@during("reading the entry directory")
def read_requested_app(request: PackageRequest, entry: Path, store: Store, *, needs_module: bool = True) -> App:
    """Return the files of an entry directory that the request packages; unchanged files aren't read again.

    Without `needs_module`, only a module that the request names has to be there. Raises `EntryError`.
    """
    packaging = request.packaging
    own = request.own_module(entry)
    # A layer has no handler, so it may have libraries alone. A handler that a requirement or a layer has is checked later.
    needed = own.needed and ((needs_module and not request.root) or request.handler_module is not None)
    # A layer of requirements alone excludes all files.
    excluded = Patterns(() if needed else request.excluded)
    has_index = needed or (os.path.lexists(entry / own.index) and not excluded.match(own.index))
    selection = Selection(
        index=own.index if has_index else None,
        handler=request.naming_handler,
        handler_file=own.handler_file,
        include=tuple(packaging.include or ()),
        exclude=request.excluded,
        follow_symlinks=SymlinkFollowMode(packaging.value("follow_symlinks")),
        requirements=str(packaging.requirements) if packaging.requirements else None,
        python=Target.parse(request.runtime, request.architecture).runtime.version,
    )
    cache = FolderCache(store, entry, selection.view)
    with facts_reader() as read:
        app = read_app(entry, selection, read, cache.memory)
    cache.save()
    return app
