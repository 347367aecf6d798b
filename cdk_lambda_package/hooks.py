"""Commands of the user's that have a say in the package: before it is made (`preparation`); after, in what it came to.

They are run once for the same inputs, and what they left is kept in the store: an unchanged app runs no command, and
the same package doesn't depend on what a command would do the second time.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cdk_lambda_package.app_directory.app import AppFile, Origin, read_facts
from cdk_lambda_package.app_directory.listing import FoundFile, Listing, SymlinkFollowMode, list_files
from cdk_lambda_package.app_directory.member_names import find_fault
from cdk_lambda_package.errors import CommandError
from cdk_lambda_package.splicing.archive import Splice, explain_os_errors, write_tree
from cdk_lambda_package.splicing.segment import Segment
from cdk_lambda_package.splicing.segments import files_segment, find_files_segment
from cdk_lambda_package.splicing.tree import AFTER_PACKAGING, Source, Tree
from cdk_lambda_package.store import Store

Commands = Sequence[Sequence[str]]

_CHANGES = "changes"


def revise(
    tree: Tree, splices: Sequence[Splice], sources: Sequence[Source], commands: Commands, key: str, store: Store
) -> tuple[list[Source], Segment]:
    """Run commands in the unpacked tree; return the sources of what it is then, and the segment of the first.

    That first source has the files that the commands made or changed; the others want only what they left alone.
    Raises `CommandError` for a command that fails.
    """
    files, removed, segment = _recall(key, store) or _run_in_tree(tree, splices, commands, key, store)
    changed = {file.path for file in files} | set(removed)
    left_alone = {entry.path for entry in tree.entries} - changed
    first = Source(owner=AFTER_PACKAGING, members=segment.members)
    return [first, *(replace(source, wants=left_alone.__contains__) for source in sources)], segment


def _run_in_tree(
    tree: Tree, splices: Sequence[Splice], commands: Commands, key: str, store: Store
) -> tuple[list[AppFile], list[str], Segment]:
    with explain_os_errors(store.root), store.workspace() as folder:
        write_tree(splices, folder)
        run_commands(commands, folder, "after_packaging")
        _refuse_links(folder)
        found = list_regular_files(folder, SymlinkFollowMode.BLOCK_EXTERNAL).files
        before = {entry.path: entry.digest for entry in tree.entries}
        files = [file for file in map(_read, found) if before.get(file.path) != file.digest]
        segment = files_segment(files, store)
    removed = sorted(before.keys() - {file.path for file in found})
    rows = [[file.path, file.size, file.executable, file.digest] for file in files]
    store.write(json.dumps([rows, removed]).encode(), _CHANGES, key)
    return files, removed, segment


def _recall(key: str, store: Store) -> tuple[list[AppFile], list[str], Segment] | None:
    content = store.read(_CHANGES, key)
    if content is None:
        return None
    rows, removed = json.loads(content)
    files = [
        AppFile(path=path, source="", size=size, executable=executable, digest=digest, origin=Origin.APP)
        for path, size, executable, digest in rows
    ]
    segment = find_files_segment(files, store)
    return (files, removed, segment) if segment is not None else None


def _refuse_links(folder: Path) -> None:
    """Raise `CommandError` for links that can't become what they lead to: a package holds files only."""
    faults = []
    for path in filter(Path.is_symlink, folder.rglob("*")):
        target = Path(os.path.realpath(path))
        if not target.exists():
            why = "which doesn't exist"
        elif not target.is_relative_to(os.path.realpath(folder)):
            why = "outside of the package"
        elif Path(os.path.realpath(path.parent)).is_relative_to(target):
            why = "a folder that it lies in"
        else:
            continue
        faults.append(f"{path.relative_to(folder).as_posix()!r}, a symbolic link to {str(path.readlink())!r}, {why}")
    if faults:
        raise CommandError(
            f"after_packaging: the commands left {'; '.join(sorted(faults))}. Leave a copy in the place of a link."
        )


def _read(found: FoundFile) -> AppFile:
    fault = find_fault(found.path)
    if fault:
        raise CommandError(
            f"after_packaging: the commands left {found.path!r}, which can't be packaged: {fault}. Name it otherwise."
        )
    facts = read_facts(found.source, found.stat)
    return AppFile(
        path=found.path,
        source=found.source,
        size=found.stat.st_size,
        executable=facts.executable,
        digest=facts.digest,
        origin=Origin.APP,
    )


def run_commands(commands: Commands, folder: Path, option: str) -> None:
    """Run the commands of an option in a folder; raises `CommandError` for one that fails, with its output."""
    from cdk_lambda_package.processes import run_process
    from cdk_lambda_package.requirements.credentials import hide_credentials

    for words in commands:
        try:
            done = run_process(list(words), folder, os.environ)
        except OSError as error:
            raise CommandError(
                f"{option}: {shlex.join(words)!r} can't be started: {error.strerror}. Commands are run without a shell; "
                "give the program and its arguments as a list of words."
            ) from error
        if done.status != 0:
            raise CommandError(
                f"{option}: {shlex.join(words)!r} ended with status {done.status}. Its output:\n"
                f"{hide_credentials(done.output, os.environ).strip()}"
            )


def list_regular_files(folder: Path, mode: SymlinkFollowMode) -> Listing:
    """Return all regular files below a folder, and its folders; raises `ContentError` for links that the mode refuses."""
    listing = list_files(folder, starts=None, wanted=lambda _: True, mode=mode)
    # Sockets and pipes are of their processes; opening one may never return.
    regular = (file for file in listing.checked() if stat.S_ISREG(file.stat.st_mode))
    return replace(listing, files=tuple(regular))
