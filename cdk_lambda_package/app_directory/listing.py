"""Walking a directory: every file below it, symbolic links resolved by a stated rule."""

from __future__ import annotations

import enum
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.app_directory.opening import FoundFile, is_below, stat_entry
from cdk_lambda_package.errors import ChangedFileError, ContentError, Finding, Severity, count
from cdk_lambda_package.paths import CACHE_FOLDER, NEVER_FOLDERS


class SymlinkFollowMode(enum.StrEnum):
    """How symbolic links are packaged, by CDK's names (aws_cdk.SymlinkFollowMode).

    A deployment package holds files only, so a link that is followed is replaced by its target. `block_external`, the
    default, follows links that stay inside the entry directory and rejects others. `always` and `external` follow all.
    `never` leaves links out, with a warning.

    Example:
        `Packaging(follow_symlinks="always")`
    """

    BLOCK_EXTERNAL = "block_external"
    ALWAYS = "always"
    EXTERNAL = "external"
    NEVER = "never"


# In a worktree and in a submodule, a file leads to the repository (https://git-scm.com/docs/gitrepository-layout).
_GIT_FILE = ".git"


class ListedFolder(NamedTuple):
    """A folder that was entered, with its wanted `files` in order of their names; none if it was recognised: then it `is_known`.

    `prefix` begins their paths: "" or a folder with a slash at the end. `place` is where it is, and no part of that below `root` is a link.
    `names` are those of all its entries in order, folders with a slash at the end. They tell what there is if it `is_plain`: there are no
    links among them, and no faults. `unwanted` are the modules in it that aren't wanted.
    """

    prefix: str
    place: str
    root: str
    names: list[str]
    is_plain: bool
    files: Sequence[FoundFile]
    unwanted: Sequence[str]
    is_known: bool = False


Recogniser = Callable[[str, str, str, Sequence[os.DirEntry[str]], list[str]], Sequence[str] | None]
"""Gets prefix, place and root of a folder as `ListedFolder` has them, its entries, and their names in the same order.

Returns the unwanted modules in it, if its files needn't be listed; else None.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Files in order of their paths, findings about them, and in `faults` why some can't be packaged, each with the fix.

    `folders` are the paths of all folders that were entered, including those without a file, and `listed` the same folders with their
    files, and the root. `unwanted` are the modules
    that were seen and aren't wanted, and the folders, with a slash at the end, that weren't entered for `starts`.
    """

    files: tuple[FoundFile, ...]
    listed: tuple[ListedFolder, ...] = ()
    folders: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    faults: tuple[str, ...] = ()

    def checked(self) -> tuple[FoundFile, ...]:
        """Return the files; raises `ContentError` with all faults."""
        if self.faults:
            raise ContentError(self.faults)
        return self.files


def list_files(
    root: Path,
    *,
    starts: tuple[str, ...] | None,
    wanted: Callable[[str], bool],
    mode: SymlinkFollowMode,
    caches: str | None = None,
    recognise: Recogniser | None = None,
) -> Listing:
    """List the wanted files below `root`, or below those of its children named in `starts`.

    The files of folders that `recognise` knows aren't among them.

    Version-control folders, git's link to one, bytecode caches, cloud assemblies and virtual environments aren't entered; with `caches`,
    bytecode caches are if their paths begin with it. Faults are wanted
    links that the mode rejects, that dangle or that go in circles, and folders that can't be read. Raises `ContentError` for
    links by which one folder is in more than a thousand places, or 100,000 paths are, and `ChangedFileError` for a file that
    is replaced at the same time.

    Example:
        `list_files(entry, starts=None, wanted=lambda path: path.endswith(".py"), mode=SymlinkFollowMode.NEVER).files`
    """
    walk = _Walk(root=os.path.realpath(root), mode=mode, wanted=wanted, caches=caches, recognise=recognise)
    walk.list_all(str(root), starts)
    return Listing(
        files=tuple(sorted(walk.files, key=attrgetter("path"))),
        listed=tuple(walk.listed),
        folders=tuple(walk.folders),
        unwanted=tuple(walk.unwanted),
        findings=tuple(walk.findings),
        faults=tuple(walk.faults),
    )


def list_modules(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder that can be imported, sorted: modules, and folders with a slash at the end.

    Nothing for a folder that isn't there or can't be read.

    Example:
        `list_modules(entry / "src")` is `("money.py", "orders/")`.
    """
    try:
        with os.scandir(folder) as found:
            names = [f"{one.name}/" if one.is_dir() else one.name for one in found]
    except OSError:
        return ()
    stems = ((name, name.removesuffix("/").removesuffix("" if name.endswith("/") else ".py")) for name in names)
    return tuple(sorted(n for n, stem in stems if stem != n and stem.isidentifier() and stem not in NEVER_FOLDERS))


# Links that fan out double the paths with each level. A folder that is meant to be in more than a thousand places, or links
# to more files than a .zip file archive holds (65,534), aren't known from any app.
_MOST_PLACES = 1_000
_MOST_LINKED = 100_000


_BY_NAME = attrgetter("name")


class _Folder(NamedTuple):
    """A folder to list: `prefix` of its paths, and where it is, as it was reached and really.

    `jumps` are the links that were followed on the way, by their real paths. No part of `place` below `root` is a link.
    """

    prefix: str
    place: str
    real: str
    root: str
    jumps: tuple[str, ...] = ()

    def child(self, entry: os.DirEntry[str]) -> _Folder:
        """Return a folder in it that isn't a link."""
        return _Folder(f"{self.prefix}{entry.name}/", entry.path, self.real_path(entry), self.root, self.jumps)

    def real_path(self, entry: os.DirEntry[str]) -> str:
        """Return where one of its entries really is; of a link, not its target."""
        return f"{self.real.rstrip(os.sep)}{os.sep}{entry.name}"


class _Target(NamedTuple):
    """The end of a link: its real path and stat result."""

    real: str
    stat: os.stat_result


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    root: str
    mode: SymlinkFollowMode
    wanted: Callable[[str], bool]
    caches: str | None
    recognise: Recogniser | None
    files: list[FoundFile] = field(default_factory=list)
    listed: list[ListedFolder] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    # Not recursive: folders may be nested more deeply than Python's calls.
    pending: list[_Folder] = field(default_factory=list)
    # The same link is reached on as many paths as there are to its folder.
    targets: dict[str, _Target] = field(default_factory=dict)
    places: Counter[str] = field(default_factory=Counter)

    def list_all(self, folder: str, names: tuple[str, ...] | None) -> None:
        """List a folder, or those of its children that are named, and all below it."""
        self._list(_Folder("", folder, self.root, folder), names)
        while self.pending:
            self._list(self.pending.pop(), None)

    def _list(self, folder: _Folder, names: tuple[str, ...] | None) -> None:
        try:
            entries = sorted(os.scandir(folder.place), key=_BY_NAME)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ChangedFileError(folder.place) from error
        except OSError as error:
            self.faults.append(
                f"folder {folder.place!r} can't be read: {error.strerror}. Make it readable, or move it away."
            )
            return
        found, is_plain = _names_of(entries)
        if folder.prefix:
            if _belongs_to_a_tool(found):
                return
            self.folders.append(folder.prefix.removesuffix("/"))
        if folder.jumps:
            self._count(folder, len(entries))
        if names is None and is_plain and folder.prefix and self._is_recognised(folder, entries, found):
            return
        files, unwanted, faults = len(self.files), len(self.unwanted), len(self.faults)
        for entry in entries:
            if names is None or entry.name in names:
                self._visit(folder, entry)
            else:
                self._pass_over(entry.name, entry)
        is_plain &= len(self.faults) == faults
        self._note(folder, found, is_plain=is_plain, files=self.files[files:], unwanted=self.unwanted[unwanted:])

    def _is_recognised(self, folder: _Folder, entries: Sequence[os.DirEntry[str]], names: list[str]) -> bool:
        """Return whether a folder is known; then what is in it is noted without a look at each file."""
        if self.recognise is None:
            return False
        unwanted = self.recognise(folder.prefix, folder.place, folder.root, entries, names)
        if unwanted is None:
            return False
        self.unwanted.extend(unwanted)
        for entry, name in zip(entries, names, strict=True):
            if name[-1] == "/":
                self._enter(folder.child(entry))
        self._note(folder, names, is_known=True)
        return True

    def _note(
        self,
        folder: _Folder,
        names: list[str],
        *,
        is_plain: bool = True,
        files: Sequence[FoundFile] = (),
        unwanted: Sequence[str] = (),
        is_known: bool = False,
    ) -> None:
        listed = ListedFolder(folder.prefix, folder.place, folder.root, names, is_plain, files, unwanted, is_known)
        self.listed.append(listed)

    def _visit(self, folder: _Folder, entry: os.DirEntry[str]) -> None:
        path = f"{folder.prefix}{entry.name}"
        # A link to a folder is wanted if something below it would be.
        if entry.is_symlink() and (self.wanted(path) or self.wanted(f"{path}/x")):
            self._follow(path, folder, entry)
        elif entry.is_dir(follow_symlinks=False):
            self._enter(folder.child(entry))
        elif entry.name == _GIT_FILE:
            return
        elif self.wanted(path):
            self._take(path, folder, entry)
        else:
            self._pass_over(path, entry)

    def _pass_over(self, path: str, entry: os.DirEntry[str]) -> None:
        if path.endswith(".py"):
            self.unwanted.append(path)
        elif entry.name.isidentifier() and entry.name not in NEVER_FOLDERS and Path(entry.path).is_dir():
            self.unwanted.append(f"{path}/")

    def _enter(self, folder: _Folder) -> None:
        name = folder.prefix.rsplit("/", 2)[-2]
        is_wanted_cache = name == CACHE_FOLDER and self.caches is not None and folder.prefix.startswith(self.caches)
        if name not in NEVER_FOLDERS or is_wanted_cache:
            self.pending.append(folder)

    def _take(self, path: str, folder: _Folder, entry: os.DirEntry[str]) -> None:
        try:
            found = stat_entry(entry)
        except FileNotFoundError as error:
            raise ChangedFileError(entry.path) from error
        except OSError as error:
            self.faults.append(f"{entry.path!r} can't be read: {error.strerror}. Package again, or exclude it.")
            return
        if stat.S_ISLNK(found.st_mode):
            raise ChangedFileError(entry.path)
        self.files.append(FoundFile(path=path, source=entry.path, root=folder.root, stat=found))

    def _follow(self, path: str, folder: _Folder, entry: os.DirEntry[str]) -> None:
        if self.mode is SymlinkFollowMode.NEVER:
            self.findings.append(_left_out(path))
            return
        link, real_link = entry.path, folder.real_path(entry)
        try:
            target = self._resolve(real_link)
        except OSError as error:
            if not Path(link).is_symlink():
                raise ChangedFileError(link) from error
            self.faults.append(
                f"{link!r} is a symbolic link that leads nowhere ({error.strerror}). Remove, correct or exclude it."
            )
            return
        real = target.real
        if real == real_link:
            raise ChangedFileError(link)  # it isn't a link any more
        root = self.root if is_below(real, self.root) else Path(real).anchor
        if fault := self._link_fault(link, real, (real_link, *folder.jumps)):
            self.faults.append(fault)
        elif stat.S_ISDIR(target.stat.st_mode):
            self._enter(_Folder(f"{path}/", real, real, root, (*folder.jumps, real_link)))
        elif self.wanted(path):
            self.files.append(FoundFile(path=path, source=real, root=root, stat=target.stat))

    def _resolve(self, link: str) -> _Target:
        if link not in self.targets:
            real = os.path.realpath(link, strict=True)
            self.targets[link] = _Target(real, Path(real).stat())
        return self.targets[link]

    def _link_fault(self, link: str, real: str, jumps: Iterable[str]) -> str | None:
        if self.mode is SymlinkFollowMode.BLOCK_EXTERNAL and not is_below(real, self.root):
            return (
                f"{link!r} is a symbolic link to {real!r}, outside the entry directory. Copy the target in, "
                "exclude the link, or set packaging=Packaging(follow_symlinks='always')."
            )
        if any(is_below(jump, real) for jump in jumps):
            return (
                f"{link!r} is a symbolic link to {real!r}, a folder that it lies in: following it would "
                "never end. Remove or exclude it."
            )
        return None

    def _count(self, folder: _Folder, entries: int) -> None:
        """Count what links lead to; raises `ContentError` if they multiply it."""
        self.places[folder.real] += 1
        # By no folder's path.
        self.places[""] += entries
        if self.places[folder.real] > _MOST_PLACES:
            fault = f"{folder.real!r} is in more than {_MOST_PLACES:,} places"
        elif self.places[""] > _MOST_LINKED:
            fault = f"{folder.real!r} and other folders are more than {_MOST_LINKED:,} paths"
        else:
            return
        fault += (
            f" by symbolic links such as {folder.jumps[-1]!r}: a folder is packaged once for each path that leads to it. "
            "Remove or exclude links, so that fewer paths lead there, or set "
            "packaging=Packaging(follow_symlinks='never')."
        )
        raise ContentError([fault])


def _names_of(entries: Iterable[os.DirEntry[str]]) -> tuple[list[str], bool]:
    """Return the names of entries, those of folders with a slash at the end, and whether all are files and folders."""
    names, is_plain = list[str](), True
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            names.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            names.append(f"{entry.name}/")
        else:
            names.append(entry.name)
            is_plain = False
    return names, is_plain


def _belongs_to_a_tool(names: Sequence[str]) -> bool:
    """Tell whether a folder is a virtual environment, or a cloud assembly under any name: files that CDK wrote."""
    # https://docs.aws.amazon.com/cdk/v2/guide/deploy.html#deploy-how-synth; both files end each assembly.
    return "pyvenv.cfg" in names or ("cdk.out" in names and "manifest.json" in names)


def _left_out(path: str) -> Finding:
    return Finding(
        id="symlink-left-out",
        severity=Severity.WARNING,
        message=f"{path} is a symbolic link, which follow_symlinks leaves out of the package.",
        path=path,
    )


def describe_unused(unused: Mapping[str, str], place: str, runtime: str) -> Iterator[Finding]:
    """Yield a note for each reason for which caches aren't packaged; `place` says whose they are.

    Example:
        `describe_unused({path: "it is of another Python"}, "vendor/", "python3.13")`
    """
    for reason in sorted({*unused.values()}):
        paths: Iterable[str] = sorted(path for path, why in unused.items() if why == reason)
        first, *others = paths
        what = count(len(others) + 1, "bytecode cache")
        yield Finding(
            id="bytecode-left-out",
            severity=Severity.NOTE,
            message=f"{what} of {place} {'are' if others else 'is'} not packaged, such as {first}: {runtime} wouldn't use it, since {reason}. "
            f"Modules are compiled from their sources instead. To package bytecode, compile with `{runtime} -m compileall "
            "--invalidation-mode unchecked-hash`, or set packaging=Packaging(bytecode='require').",
            path=first,
        )
