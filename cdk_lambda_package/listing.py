"""Walking a directory: every file below it, symbolic links resolved by a stated rule."""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cdk_lambda_package.errors import EntryError, Finding, Severity
from cdk_lambda_package.member_names import NEVER_FOLDERS


class SymlinkFollowMode(enum.StrEnum):
    """What becomes of symbolic links, by CDK's names (aws_cdk.SymlinkFollowMode).

    A deployment package holds files only, so a link that is followed goes in as what it points to: `block_external`,
    the default, follows those that stay inside the entry directory and refuses others; `always` and `external`
    follow all; `never` leaves links out, with a warning.
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
        return replace(self, path=self.path.removeprefix(f"{folder}/"))


def list_files(
    root: Path, *, starts: tuple[str, ...] | None, wanted: Callable[[str], bool], mode: SymlinkFollowMode
) -> tuple[list[FoundFile], tuple[Finding, ...]]:
    """Return the wanted files below `root`, or below those of its children named in `starts`, in order of the paths.

    Version-control folders, byte code caches, cdk.out and virtual environments aren't entered. Raises `EntryError`
    for wanted links that the mode refuses, that dangle or that go in circles, and for folders that can't be read.
    """
    walk = _Walk(root=os.path.realpath(root), mode=mode, wanted=wanted, findings=[])
    found = sorted(walk.children("", str(root), (), starts), key=lambda file: file.path)
    return found, tuple(walk.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    root: str
    mode: SymlinkFollowMode
    wanted: Callable[[str], bool]
    findings: list[Finding]

    def children(
        self, prefix: str, folder: str, above: tuple[str, ...], names: tuple[str, ...] | None = None
    ) -> Iterator[FoundFile]:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise EntryError(
                f"folder {folder!r} can't be read: {error.strerror}. Make it readable, or move it away."
            ) from error
        for entry in entries:
            if names is None or entry.name in names:
                yield from self._visit(f"{prefix}{entry.name}", entry, (*above, folder))

    def _visit(self, path: str, entry: os.DirEntry[str], above: tuple[str, ...]) -> Iterator[FoundFile]:
        if entry.is_symlink():
            # A link to a folder is wanted if something below it would be.
            if self.wanted(path) or self.wanted(f"{path}/x"):
                yield from self._follow(path, entry.path, above)
        elif entry.is_dir():
            yield from self._enter(path, entry.path, above)
        elif self.wanted(path):
            yield FoundFile(path=path, source=entry.path, stat=_stat(entry))

    def _enter(self, path: str, folder: str, above: tuple[str, ...]) -> Iterator[FoundFile]:
        name = path.rsplit("/", 1)[-1]
        if name not in NEVER_FOLDERS and not os.path.lexists(f"{folder}/pyvenv.cfg"):
            yield from self.children(f"{path}/", folder, above)

    def _follow(self, path: str, link: str, above: tuple[str, ...]) -> Iterator[FoundFile]:
        if self.mode is SymlinkFollowMode.NEVER:
            self.findings.append(_left_out(path))
            return
        real = _resolve(link)
        if self.mode is SymlinkFollowMode.BLOCK_EXTERNAL and not _is_inside(real, self.root):
            raise EntryError(
                f"{link!r} is a symbolic link to {real!r}, outside the entry directory. Copy the target in, "
                "exclude the link, or set follow_symlinks='always'."
            )
        found = Path(real).stat()
        if not stat.S_ISDIR(found.st_mode):
            if self.wanted(path):
                yield FoundFile(path=path, source=real, stat=found)
        elif any(_is_inside(os.path.realpath(folder), real) for folder in above):
            raise EntryError(
                f"{link!r} is a symbolic link to {real!r}, a folder that it lies in: following it would "
                "never end. Remove or exclude it."
            )
        else:
            yield from self._enter(path, real, above)


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except OSError as error:
        raise EntryError(f"{entry.path!r} can't be read: {error.strerror}. Package again, or exclude it.") from error


def _resolve(link: str) -> str:
    try:
        return os.path.realpath(link, strict=True)
    except OSError as error:
        raise EntryError(f"{link!r} is a symbolic link that leads nowhere ({error.strerror}). Remove, mend or exclude "
                         "it.") from error  # fmt: skip


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _left_out(path: str) -> Finding:
    return Finding(
        id="symlink-left-out",
        severity=Severity.WARNING,
        message=f"{path} is a symbolic link, and follow_symlinks='never' leaves it out of the package.",
        path=path,
    )
