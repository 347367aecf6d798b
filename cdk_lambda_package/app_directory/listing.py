"""Walking a directory: every file below it, symbolic links resolved by a stated rule."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cdk_lambda_package.errors import ContentError, Finding, Severity
from cdk_lambda_package.paths import NEVER_FOLDERS


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


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file: `path` below the walked directory, with forward slashes; `source` and `stat` of what it resolves to."""

    path: str
    source: str
    stat: os.stat_result

    def below(self, folder: str) -> FoundFile:
        """Return the same file with its path counted from `folder`."""
        return FoundFile(path=self.path.removeprefix(f"{folder}/"), source=self.source, stat=self.stat)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Files in order of their paths, findings about them, and in `faults` why some can't be packaged, each with the fix.

    `folders` are the paths of all folders that were entered, including those without a file. `unwanted` are the modules
    that were seen and aren't wanted, and the folders, with a slash at the end, that weren't entered for `starts`.
    """

    files: tuple[FoundFile, ...]
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
    root: Path, *, starts: tuple[str, ...] | None, wanted: Callable[[str], bool], mode: SymlinkFollowMode
) -> Listing:
    """List the wanted files below `root`, or below those of its children named in `starts`.

    Version-control folders, byte code caches, cloud assemblies and virtual environments aren't entered. Faults are wanted
    links that the mode rejects, that dangle or that go in circles, and folders that can't be read.

    Example:
        `list_files(entry, starts=None, wanted=lambda path: path.endswith(".py"), mode=SymlinkFollowMode.NEVER).files`
    """
    walk = _Walk(root=os.path.realpath(root), mode=mode, wanted=wanted)
    found = sorted(walk.children("", str(root), (), starts), key=lambda file: file.path)
    return Listing(
        files=tuple(found),
        folders=tuple(walk.folders),
        unwanted=tuple(walk.unwanted),
        findings=tuple(walk.findings),
        faults=tuple(walk.faults),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    root: str
    mode: SymlinkFollowMode
    wanted: Callable[[str], bool]
    folders: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def children(
        self, prefix: str, folder: str, above: tuple[str, ...], names: tuple[str, ...] | None = None
    ) -> Iterator[FoundFile]:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            self.faults.append(f"folder {folder!r} can't be read: {error.strerror}. Make it readable, or move it away.")
            return
        if prefix:
            if _belongs_to_a_tool(entries):
                return
            self.folders.append(prefix.removesuffix("/"))
        for entry in entries:
            if names is None or entry.name in names:
                yield from self._visit(f"{prefix}{entry.name}", entry, (*above, folder))
            else:
                self._pass_over(entry.name, entry)

    def _visit(self, path: str, entry: os.DirEntry[str], above: tuple[str, ...]) -> Iterator[FoundFile]:
        # A link to a folder is wanted if something below it would be.
        if entry.is_symlink() and (self.wanted(path) or self.wanted(f"{path}/x")):
            yield from self._follow(path, entry.path, above)
        elif entry.is_dir(follow_symlinks=False):
            yield from self._enter(path, entry.path, above)
        elif self.wanted(path):
            yield from self._take(path, entry.path, entry.stat)
        else:
            self._pass_over(path, entry)

    def _pass_over(self, path: str, entry: os.DirEntry[str]) -> None:
        if path.endswith(".py"):
            self.unwanted.append(path)
        elif entry.name.isidentifier() and entry.name not in NEVER_FOLDERS and Path(entry.path).is_dir():
            self.unwanted.append(f"{path}/")

    def _take(self, path: str, source: str, read_stat: Callable[[], os.stat_result]) -> Iterator[FoundFile]:
        try:
            yield FoundFile(path=path, source=source, stat=read_stat())
        except OSError as error:
            self.faults.append(f"{source!r} can't be read: {error.strerror}. Package again, or exclude it.")

    def _enter(self, path: str, folder: str, above: tuple[str, ...]) -> Iterator[FoundFile]:
        if path.rsplit("/", 1)[-1] not in NEVER_FOLDERS:
            yield from self.children(f"{path}/", folder, above)

    def _follow(self, path: str, link: str, above: tuple[str, ...]) -> Iterator[FoundFile]:
        if self.mode is SymlinkFollowMode.NEVER:
            self.findings.append(_left_out(path))
            return
        try:
            real = os.path.realpath(link, strict=True)
        except OSError as error:
            self.faults.append(
                f"{link!r} is a symbolic link that leads nowhere ({error.strerror}). Remove, correct or exclude it."
            )
            return
        if fault := self._link_fault(link, real, above):
            self.faults.append(fault)
        elif Path(real).is_dir():
            yield from self._enter(path, real, above)
        elif self.wanted(path):
            yield from self._take(path, real, Path(real).stat)

    def _link_fault(self, link: str, real: str, above: tuple[str, ...]) -> str | None:
        if self.mode is SymlinkFollowMode.BLOCK_EXTERNAL and not Path(real).is_relative_to(self.root):
            return (
                f"{link!r} is a symbolic link to {real!r}, outside the entry directory. Copy the target in, "
                "exclude the link, or set packaging=Packaging(follow_symlinks='always')."
            )
        if any(Path(os.path.realpath(folder)).is_relative_to(real) for folder in above):
            return (
                f"{link!r} is a symbolic link to {real!r}, a folder that it lies in: following it would "
                "never end. Remove or exclude it."
            )
        return None


def _belongs_to_a_tool(entries: Iterable[os.DirEntry[str]]) -> bool:
    """Tell whether a folder is a virtual environment, or a cloud assembly under any name: files that CDK wrote."""
    files = {entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)}
    # https://docs.aws.amazon.com/cdk/v2/guide/deploy.html#deploy-how-synth; both files end each assembly.
    return "pyvenv.cfg" in files or files >= {"cdk.out", "manifest.json"}


def _left_out(path: str) -> Finding:
    return Finding(
        id="symlink-left-out",
        severity=Severity.WARNING,
        message=f"{path} is a symbolic link, which follow_symlinks leaves out of the package.",
        path=path,
    )
