"""The entry directory as the commands of `before_packaging` leave it: a copy, with around it what is around the original.

Requirements and locks may lead out of the entry directory (`-r ../common.txt`, `../shared`, a lock above it), and what
they mean depends on where it is. So each directory above it has a counterpart above the copy, in which links lead to
all that the original has. What reads the copy needn't know that it is one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cdk_lambda_package.app_directory.app import FactsReader, read_facts
from cdk_lambda_package.app_directory.entry import check_directory, find_index
from cdk_lambda_package.app_directory.listing import SymlinkFollowMode
from cdk_lambda_package.app_directory.stat_cache import StatCache
from cdk_lambda_package.errors import ContentError, Finding, PackageError
from cdk_lambda_package.hooks import list_regular_files, run_commands
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.planning import Progress
from cdk_lambda_package.splicing.archive import explain_os_errors
from cdk_lambda_package.store import Store

_PREPARED = "prepared"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PreparedEntry:
    """What is to be packaged: the request, and the directory that it is about, the entry itself or a copy of it.

    `names` are the paths of copies, each with what stands in its place in texts for the user.
    """

    request: PackageRequest
    entry: Path
    names: tuple[tuple[str, str], ...] = ()

    def move(self, request: PackageRequest) -> PackageRequest:
        """Return another request about the same entry directory as one about what was prepared of it."""
        return dataclasses.replace(request, entry=self.request.entry)

    def name(self, text: str) -> str:
        """Return the text with the user's paths in place of the copy's."""
        for copy, original in self.names:
            text = text.replace(copy, original)
        return text

    def name_finding(self, finding: Finding) -> Finding:
        """Return the finding with the user's paths in place of the copy's."""
        return dataclasses.replace(finding, message=self.name(finding.message))

    @contextlib.contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Let errors that leave the block name the user's paths, never the copy's."""
        try:
            yield
        except PackageError as error:
            error.args = tuple(self.name(part) if isinstance(part, str) else part for part in error.args)
            if isinstance(error, ContentError):
                error.faults = tuple(map(self.name, error.faults))
            raise


def prepare(request: PackageRequest, store: Store, progress: Progress) -> PreparedEntry:
    """Run the commands of `before_packaging` in a copy of the entry directory, unless their result is in the store.

    Raises `CommandError` for a command that fails, and `EntryError` for what can't be copied.
    """
    if not request.packaging.before_packaging:
        return PreparedEntry(request=request, entry=request.entry_path)
    check_directory(request.entry_path, find_index(request.entry_path, request.handler_module))
    progress("Running before_packaging")
    # `..` leads to where a directory really is, whatever links lead to it.
    origin = Path(os.path.realpath(request.entry_path))
    mode = SymlinkFollowMode(request.packaging.value("follow_symlinks"))
    commands = list(map(list, request.packaging.before_packaging))
    key = _digest([str(origin), commands, _describe(origin, mode, store)])
    prepared = _place(request, origin, Path(os.path.realpath(store.place(_PREPARED, key))))
    with prepared.naming_errors():
        if not _is_current(prepared.entry, mode, key, store):
            _make(prepared, mode, store)
            store.write(_digest(_describe(prepared.entry, mode, store)).encode(), f"{_PREPARED}-digests", key)
    _link_surroundings(origin, prepared.entry)
    return prepared


def _place(request: PackageRequest, origin: Path, root: Path) -> PreparedEntry:
    """Say where below `root`, which stands for the root of the file system, the copy of `origin` belongs."""
    copy, entry = root.joinpath(*origin.parts[1:]), request.entry_path
    return PreparedEntry(
        request=dataclasses.replace(request, entry=origin),
        entry=copy,
        names=(
            (copy.as_uri(), entry.as_uri()),
            (str(copy), str(entry)),
            (f"{root.as_uri()}/", Path(origin.anchor).as_uri()),
            (f"{root}{os.sep}", origin.anchor),
        ),
    )


def _is_current(entry: Path, mode: SymlinkFollowMode, key: str, store: Store) -> bool:
    known = store.read(f"{_PREPARED}-digests", key)
    return entry.is_dir() and known == _digest(_describe(entry, mode, store)).encode()


def _make(prepared: PreparedEntry, mode: SymlinkFollowMode, store: Store) -> None:
    origin = prepared.request.entry_path
    shutil.rmtree(prepared.entry, ignore_errors=True)
    with explain_os_errors(store.root), store.workspace() as workspace:
        # Not by the entry's own name: the root of a file system has none.
        copy = workspace / "entry"
        copy.mkdir()
        listing = list_regular_files(origin, mode)
        for folder in listing.folders:
            (copy / folder).mkdir(parents=True, exist_ok=True)
        for file in listing.files:
            target = copy / file.path
            # With its mode: commands may be files of the entry, and what is private stays so.
            shutil.copy(file.source, target)
        # Where the commands run, they have nothing around them.
        with dataclasses.replace(prepared, names=((str(copy), str(prepared.entry)),)).naming_errors():
            run_commands(prepared.request.packaging.before_packaging or (), copy, "before_packaging")
        prepared.entry.parent.mkdir(parents=True, exist_ok=True)
        _move(copy, prepared.entry)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        # Another process was faster, with the same content.
        if not target.is_dir():
            raise


def _link_surroundings(origin: Path, copy: Path) -> None:
    for folder, counterpart in zip(origin.parents, copy.parents, strict=False):
        # What can't be listed, or linked as on Windows without the right to, isn't found from the copy.
        with contextlib.suppress(OSError):
            _link_all(folder, counterpart)


def _link_all(folder: Path, counterpart: Path) -> None:
    names, known = ({path.name for path in one.iterdir()} for one in (folder, counterpart))
    for name in known - names:
        (counterpart / name).unlink(missing_ok=True)
    for name in names - known:
        # Another process may be at it, too.
        with contextlib.suppress(FileExistsError):
            (counterpart / name).symlink_to(folder / name)


def _describe(folder: Path, mode: SymlinkFollowMode, store: Store) -> list[list[object]]:
    cache, listing = StatCache(store, folder, purpose="*"), list_regular_files(folder, mode)
    read: FactsReader = cache.reader(read_facts)
    described: list[list[object]] = [[file.path, read(file.source, file.stat).digest] for file in listing.files]
    cache.save()
    return [*described, [*sorted(listing.folders)]]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
