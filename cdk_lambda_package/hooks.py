"""Commands of the user's that have a say in the package: before it is made, in a copy; after, in what it came to.

They are run once for the same inputs, and what they left is kept in the store: an unchanged app runs no command, and
the same package doesn't depend on what a command would do the second time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cdk_lambda_package.app import AppFile, FactsReader, Origin, read_facts
from cdk_lambda_package.archive import Splice, explain_os_errors, write_tree
from cdk_lambda_package.errors import CommandError
from cdk_lambda_package.listing import FoundFile, SymlinkFollowMode, list_files
from cdk_lambda_package.member_names import find_fault
from cdk_lambda_package.segment import Segment
from cdk_lambda_package.segments import files_segment, find_files_segment
from cdk_lambda_package.stat_cache import StatCache
from cdk_lambda_package.store import Store
from cdk_lambda_package.tree import Source, Tree

Commands = Sequence[Sequence[str]]

OWNER = "after_packaging"
"""The owner of files that a command made or changed in the unpacked package."""

_PREPARED, _CHANGES = "prepared", "changes"


def prepare_entry(entry: Path, commands: Commands, mode: SymlinkFollowMode, store: Store) -> Path:
    """Run commands in a copy of the entry directory, and return the copy; it is the store's, not to be written to.

    Raises `CommandError` for a command that fails.
    """
    key = _digest([list(map(list, commands)), _describe(entry, mode, store)])
    prepared = store.place(_PREPARED, key)
    known = store.read(f"{_PREPARED}-digests", key)
    if prepared.is_dir() and known == _digest(_describe(prepared, mode, store)).encode():
        return prepared
    shutil.rmtree(prepared, ignore_errors=True)
    with explain_os_errors(prepared), store.workspace() as workspace:
        # Not by the entry's own name, which may be "..".
        copy = workspace / "entry"
        for file in _list(entry, mode):
            target = copy / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            # With its mode: commands may be files of the entry, and what is private stays so.
            shutil.copy(file.source, target)
        _run(commands, copy, "before_packaging")
        _move(copy, prepared)
    store.write(_digest(_describe(prepared, mode, store)).encode(), f"{_PREPARED}-digests", key)
    return prepared


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        # Another process was faster, with the same content.
        if not target.is_dir():
            raise


def _describe(folder: Path, mode: SymlinkFollowMode, store: Store) -> list[list[object]]:
    cache = StatCache(store, folder, purpose="*")
    read: FactsReader = cache.reader(read_facts)
    described: list[list[object]] = [[file.path, read(file.source, file.stat).digest] for file in _list(folder, mode)]
    cache.save()
    return described


def _list(folder: Path, mode: SymlinkFollowMode) -> list[FoundFile]:
    found = list_files(folder, starts=None, wanted=lambda _: True, mode=mode)[0]
    # Sockets and pipes are of their processes; opening one may never return.
    return [file for file in found if stat.S_ISREG(file.stat.st_mode)]


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
    first = Source(owner=OWNER, members=segment.members)
    return [first, *(replace(source, wants=left_alone.__contains__) for source in sources)], segment


def _run_in_tree(
    tree: Tree, splices: Sequence[Splice], commands: Commands, key: str, store: Store
) -> tuple[list[AppFile], list[str], Segment]:
    with explain_os_errors(store.root), store.workspace() as folder:
        write_tree(splices, folder)
        _run(commands, folder, "after_packaging")
        found = _list(folder, SymlinkFollowMode.BLOCK_EXTERNAL)
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


def _run(commands: Iterable[Sequence[str]], folder: Path, option: str) -> None:
    from cdk_lambda_package.credentials import hide_credentials
    from cdk_lambda_package.resolve import run_process

    for words in commands:
        try:
            done = run_process(list(words), folder, _environment())
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


def _environment() -> Mapping[str, str]:
    return dict(os.environ)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
