"""Commands of the user's: `before_packaging` in a copy of the entry directory, `after_packaging` in the finished tree.

They run once for the same inputs, and their results are kept in the store: an unchanged app runs no command, and the same
package doesn't depend on what a command would do the second time.

Requirements and locks may lead out of the entry directory (`-r ../common.txt`, `../shared`, a lock above it), and their
meaning depends on its place. So each directory above it has a counterpart above the copy, with links to everything that the
original has. Readers of the copy needn't know that it is one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cdk_lambda_package.app_directory import (
    VENDOR_FOLDER,
    AppFile,
    FileFacts,
    FoundFile,
    Listing,
    OpenFolder,
    Origin,
    StatCache,
    SymlinkFollowMode,
    check_directory,
    describe_unused,
    facts_reader,
    list_files,
    read_facts,
)
from cdk_lambda_package.errors import (
    CommandError,
    ContentError,
    Finding,
    PackageError,
    Severity,
    count,
    explain_os_errors,
)
from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.options import PackageRequest
from cdk_lambda_package.paths import is_cache, name_fault
from cdk_lambda_package.processes import run_process, with_temporary
from cdk_lambda_package.progress import Progress
from cdk_lambda_package.splicing import (
    AFTER_PACKAGING,
    Provider,
    Segment,
    Series,
    Splice,
    Tree,
    files_segment,
    find_files_segment,
    write_tree,
)
from cdk_lambda_package.store import Store, remembered
from cdk_lambda_package.target import HEAD_SIZE, BytecodeHead, Target, unused_caches
from cdk_lambda_package.urls import hide_credentials

Commands = Sequence[Sequence[str]]

# The kinds of the store's folders that are copies of entry directories, and of the records of what commands changed.
_PREPARED, _CHANGES = "prepared", "changes"


@remembered("prepared-digests", version=2)
@dataclass(frozen=True, kw_only=True, slots=True)
class _PreparedCopy:
    """The digest of a copy as the commands left it."""

    digest: str


@remembered(_CHANGES, version=5)
@dataclass(frozen=True, kw_only=True, slots=True)
class _TreeChanges:
    """The changes by the commands of `after_packaging`: the files that they made or changed, and the paths of removed ones.

    `left_out` are the paths of files that they made and that aren't packaged, `unused` those of bytecode caches, each with the reason.
    """

    files: tuple[AppFile, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    unused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedEntry:
    """The request, and the directory that is packaged: the entry itself, or the copy that `before_packaging` changed.

    `names` are the paths of copies, each with the path that replaces it in texts for the user.
    """

    request: PackageRequest
    entry: Path
    names: tuple[tuple[str, str], ...] = ()

    def move(self, request: PackageRequest) -> PackageRequest:
        """Return another request for the same entry directory as one for the prepared copy."""
        return replace(request, entry=self.request.entry)

    def name(self, text: str) -> str:
        """Return the text with the user's paths in place of the copy's."""
        for copy, original in self.names:
            text = text.replace(copy, original)
        return text

    @contextlib.contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Replace the copy's paths in errors that leave the block by the user's."""
        try:
            yield
        except PackageError as error:
            error.args = tuple(self.name(part) if isinstance(part, str) else part for part in error.args)
            if isinstance(error, ContentError):
                error.faults = tuple(map(self.name, error.faults))
            raise


@during("preparing the entry directory")
def prepare(request: PackageRequest, store: Store, progress: Progress) -> PreparedEntry:
    """Run the commands of `before_packaging` in a copy of the entry directory, unless their result is in the store.

    Raises `CommandError` for a command that fails, `EntryError` for an entry that isn't a directory, and `ChangedFileError`
    for a file that changes at the same time.
    """
    if not request.packaging.before_packaging:
        return PreparedEntry(request=request, entry=request.entry_path)
    check_directory(request.entry_path, request.own_module().index)
    # `..` leads to where a directory really is, whatever links lead to it.
    origin = Path(os.path.realpath(request.entry_path))
    mode = SymlinkFollowMode(request.packaging.value("follow_symlinks"))
    listing, digest = _list_entry(origin, mode, store)
    key = key_of(str(origin), request.packaging.before_packaging, digest)
    root = Path(os.path.realpath(store.place(_PREPARED, key)))
    # A requirements file in it may have a password.
    root.mkdir(mode=0o700, exist_ok=True)
    prepared = _place(request, origin, root)
    with prepared.naming_errors(), progress.step("running before_packaging"), store.claims.alone((_PREPARED, key)):
        known = store.recall(_PreparedCopy, key)
        if known is None or not prepared.entry.is_dir() or known.digest != _digest_left(prepared.entry, mode, store):
            _make(prepared, listing, store)
            store.remember(_PreparedCopy(digest=_digest_left(prepared.entry, mode, store)), key)
        _link_surroundings(origin, prepared.entry)
    return prepared


def _place(request: PackageRequest, origin: Path, root: Path) -> PreparedEntry:
    """Return the copy of `origin`, below `root` as `origin` is below the root of the file system."""
    copy, entry = root.joinpath(*origin.parts[1:]), request.entry_path
    return PreparedEntry(
        request=replace(request, entry=origin),
        entry=copy,
        names=(
            (copy.as_uri(), entry.as_uri()),
            (str(copy), str(entry)),
            (f"{root.as_uri()}/", Path(origin.anchor).as_uri()),
            (f"{root}{os.sep}", origin.anchor),
        ),
    )


def _make(prepared: PreparedEntry, listing: Listing, store: Store) -> None:
    """Copy the listed files, and run the commands there: the result belongs to a key of these very files."""
    shutil.rmtree(prepared.entry, ignore_errors=True)
    with explain_os_errors(store.root), store.workspace() as workspace:
        # Not by the entry's own name: the root of a file system has none.
        copy = workspace / "entry"
        copy.mkdir()
        for path in listing.folders:
            (copy / path).mkdir(parents=True, exist_ok=True)
        with OpenFolder() as folder:
            for file in listing.files:
                _copy(file, copy / file.path, folder)
        # The commands run in a folder without the surroundings.
        with replace(prepared, names=((str(copy), str(prepared.entry)),)).naming_errors():
            commands = prepared.request.packaging.before_packaging or ()
            run_commands(commands, copy, "before_packaging", temporary=workspace / "tmp")
        prepared.entry.parent.mkdir(parents=True, exist_ok=True)
        # Another process may be faster, with the same content. Without any copy, the next look at it is an error.
        with contextlib.suppress(OSError):
            copy.rename(prepared.entry)


def _copy(file: FoundFile, target: Path, folder: OpenFolder) -> None:
    with folder.open(file.root, file.source, file.stat) as source:
        target.parent.mkdir(exist_ok=True)  # of bytecode caches, which are no folders of the listing
        with target.open("xb") as stream:
            shutil.copyfileobj(source, stream)
        # With its mode: commands may be files of the entry, and private files stay private.
        target.chmod(stat.S_IMODE(os.fstat(source.fileno()).st_mode))


def _link_surroundings(origin: Path, copy: Path) -> None:
    for folder, counterpart in zip(origin.parents, copy.parents, strict=False):
        # A directory that can't be listed, or linked as on Windows without the right to, isn't found from the copy.
        with contextlib.suppress(OSError):
            _link_all(folder, counterpart)


def _link_all(folder: Path, counterpart: Path) -> None:
    names, known = ({path.name for path in one.iterdir()} for one in (folder, counterpart))
    for name in known - names:
        (counterpart / name).unlink(missing_ok=True)
    for name in names - known:
        # Another process may do the same.
        with contextlib.suppress(FileExistsError):
            (counterpart / name).symlink_to(folder / name)


def _digest_left(copy: Path, mode: SymlinkFollowMode, store: Store) -> str:
    """Return the digest of a copy as the commands left it."""
    return _list_entry(copy, mode, store)[1]


def _list_entry(entry: Path, mode: SymlinkFollowMode, store: Store) -> tuple[Listing, str]:
    """Return the files of an entry directory that commands get, and their digest.

    Bytecode caches are among them only if they may be packaged: Python changes the others whenever it imports.
    """
    listing = list_regular_files(entry, mode, caches=f"{VENDOR_FOLDER}/")
    cache = StatCache(store, entry, purpose="*")
    with facts_reader() as read_anew:
        read = cache.reader(read_anew)
        facts = {
            file.path: read(file) for file in listing.files if not is_cache(file.path) or file.path.endswith(".pyc")
        }
    cache.save()
    files = tuple(file for file in listing.files if _is_lasting(file.path, facts))
    folders = tuple(path for path in listing.folders if not is_cache(f"{path}/"))
    digests = [(file.path, facts[file.path].digest) for file in files]
    return replace(listing, files=files, folders=folders), key_of(digests, sorted(folders))


def _is_lasting(path: str, facts: Mapping[str, FileFacts]) -> bool:
    if not is_cache(path):
        return True
    head = BytecodeHead.parse(facts[path].head) if path in facts else None
    return head is not None and head.by_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class RevisedInputs:
    """What the commands of `after_packaging` depend on besides the tree: the package's key and target."""

    key: str
    target: Target
    store: Store


def revise(
    tree: Tree, splices: Sequence[Splice], providers: Sequence[Provider], commands: Commands, inputs: RevisedInputs
) -> tuple[list[Provider], tuple[Finding, ...]]:
    """Run the commands of `after_packaging` in the unpacked tree, unless their result is in the store.

    Return the providers of the changed tree, and a finding about what the commands left and isn't packaged. The first provider
    has the files that the commands made or changed; the others are narrowed down to what the commands left alone. Raises
    `CommandError` for a command that fails.
    """
    key, target, store = inputs.key, inputs.target, inputs.store
    with store.claims.alone((_CHANGES, key)):
        changes = store.recall(_TreeChanges, key)
        segment = find_files_segment(changes.files, store) if changes is not None else None
        if changes is None or segment is None:
            changes, segment = _run_in_tree(tree, splices, commands, inputs)
            store.remember(changes, key)
    changed = {file.path for file in changes.files} | set(changes.removed)
    left_alone = {entry.path for entry in tree.entries} - changed
    first = Provider(owner=AFTER_PACKAGING, files=Series(segment))
    others = (replace(provider, wants=left_alone.__contains__) for provider in providers)
    notes = describe_unused(changes.unused, "after_packaging", target.runtime.name)
    return [first, *others], (*_explain_left_out(changes.left_out), *notes)


def _run_in_tree(
    tree: Tree, splices: Sequence[Splice], commands: Commands, inputs: RevisedInputs
) -> tuple[_TreeChanges, Segment]:
    store = inputs.store
    with explain_os_errors(store.root), store.workspace() as workspace:
        folder = workspace / "tree"
        folder.mkdir()
        write_tree(splices, folder)
        run_commands(commands, folder, "after_packaging", temporary=workspace / "tmp")
        _refuse_links(folder)
        found = list_regular_files(folder, SymlinkFollowMode.BLOCK_EXTERNAL, caches="").files
        before = {entry.path: entry.digest for entry in tree.entries}
        left_out = sorted(_all_files(folder) - {file.path for file in found})
        unused = _unused_caches(folder, found, inputs.target)
        found = tuple(file for file in found if file.path not in unused)
        files = [file for file in map(_read, found) if before.get(file.path) != file.digest]
        segment = files_segment(files, store)
    removed = before.keys() - {file.path for file in found}
    # Without their sources: the folder is gone.
    kept = tuple(replace(file, source="", root="") for file in files)
    return _TreeChanges(files=kept, removed=tuple(sorted(removed)), left_out=tuple(left_out), unused=unused), segment


def _unused_caches(folder: Path, found: Iterable[FoundFile], target: Target) -> dict[str, str]:
    """Return the files in folders of bytecode caches that aren't packaged, each with the reason."""
    files = {file.path: file for file in found}
    heads = {path: _read_head(Path(file.source)) for path, file in files.items() if is_cache(path)}
    return unused_caches(heads, files.keys(), lambda path: (folder / path).read_bytes(), target.runtime.version)


def _read_head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_SIZE)


def _all_files(folder: Path) -> set[str]:
    """Return the paths of all regular files, also in folders that no listing enters."""
    return {
        (Path(place) / name).relative_to(folder).as_posix()
        for place, _, names in os.walk(folder)
        for name in names
        if stat.S_ISREG((Path(place) / name).lstat().st_mode)
    }


def _explain_left_out(paths: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for files in folders that are never packaged."""
    if paths:
        what = f"{count(len(paths), 'file')} that {'is' if len(paths) == 1 else 'are'} not packaged"
        yield Finding(
            id="after-packaging-left-out",
            severity=Severity.WARNING,
            message=f"after_packaging left {what}, such as {paths[0]}: folders of version control, caches, cloud assemblies and virtual "
            "environments are never packaged. Give the folder another name.",
            path=paths[0],
        )


def _refuse_links(folder: Path) -> None:
    """Raise `CommandError` for links that can't be replaced by their targets: a package holds files only."""
    faults = []
    for path in filter(Path.is_symlink, folder.rglob("*")):
        target = Path(os.path.realpath(path))
        endless = Path(os.path.realpath(path.parent)).is_relative_to(target)
        if endless or not target.exists() or not target.is_relative_to(os.path.realpath(folder)):
            faults.append(f"{path.relative_to(folder).as_posix()!r}, a symbolic link to {str(path.readlink())!r}")
    if faults:
        raise CommandError(
            f"after_packaging: the commands left {'; '.join(sorted(faults))}, which leads to no file of the package, or to a "
            "folder that it lies in. Leave a copy in the place of a link."
        )


def _read(found: FoundFile) -> AppFile:
    fault = name_fault(found.path)
    if fault:
        raise CommandError(
            f"after_packaging: the commands left {found.path!r}, which can't be packaged: {fault}. Give it another name."
        )
    return AppFile.of(found, read_facts(found), Origin.APP)


def run_commands(commands: Commands, folder: Path, option: str, *, temporary: Path) -> None:
    """Run the commands of an option in a folder; raises `CommandError` for one that fails, with its output.

    What they leave in the directory for `temporary` files goes with the folder.
    """
    temporary.mkdir()
    for words in commands:
        try:
            done = run_process(list(words), folder, with_temporary(os.environ, temporary))
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


def list_regular_files(folder: Path, mode: SymlinkFollowMode, *, caches: str | None = None) -> Listing:
    """Return all regular files below a folder, and its folders; raises `ContentError` for links that the mode rejects.

    Bytecode caches are among them if their paths begin with `caches`.
    """
    listing = list_files(folder, starts=None, wanted=lambda _: True, mode=mode, caches=caches)
    # Sockets and pipes belong to processes; opening one may never return.
    regular = (file for file in listing.checked() if stat.S_ISREG(file.stat.st_mode))
    return replace(listing, files=tuple(regular))
