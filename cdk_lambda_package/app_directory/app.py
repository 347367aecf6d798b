"""The app directory: which of its files are in the package, and what else it asks for.

The layout is that of Chalice's "App Packaging" document: the handler's module (app.py) and chalicelib/ as they are,
the content of vendor/ at the top level, requirements.txt for pip. Nothing here is written to, and nothing but the
entry directory is read.
"""

from __future__ import annotations

import enum
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.app_directory.entry import APP_FOLDER, REQUIREMENTS_FILE, VENDOR_FOLDER, check_entry
from cdk_lambda_package.app_directory.importables import find_units
from cdk_lambda_package.app_directory.listing import FoundFile, Listing, SymlinkFollowMode, list_files
from cdk_lambda_package.app_directory.member_names import find_fault, is_leftover
from cdk_lambda_package.app_directory.patterns import Patterns, is_selective
from cdk_lambda_package.chalice import imports_chalice
from cdk_lambda_package.errors import ContentError, EntryError, Finding, Severity
from cdk_lambda_package.keys import outside_key
from cdk_lambda_package.target import LARGEST_PACKAGE


class Origin(enum.StrEnum):
    """Whose a file of the entry directory is."""

    APP = "app"
    VENDOR = "vendor"


class FileFacts(NamedTuple):
    """What is known of a file's content: sha256 (hex), whether Lambda should execute it, whether it imports chalice."""

    digest: str
    executable: bool
    imports_chalice: bool


FactsReader = Callable[[str, os.stat_result], FileFacts]
"""Gives the facts of the file at a path, whose stat result is at hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppFile:
    """One of the user's files: `path` in the package, `source` on this machine, `size` in bytes."""

    path: str
    source: str = field(metadata=outside_key("where the file is on this machine; `digest` says what is in it"))
    size: int = field(metadata=outside_key("`digest` says what is in it"))
    executable: bool
    digest: str
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which files of an entry directory are wanted; the fields mean what the options of the same names mean."""

    index: str = "app.py"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_symlinks: SymlinkFollowMode = SymlinkFollowMode.BLOCK_EXTERNAL
    requirements: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An entry directory, read: its files in order of their paths, and what they ask for."""

    entry: Path
    index: str
    files: tuple[AppFile, ...]
    requirements: Path | None
    vendored_wheels: tuple[AppFile, ...]
    vendored_distributions: tuple[str, ...]
    imports_chalice: bool
    findings: tuple[Finding, ...] = field(default=())


def read_app(entry: Path, selection: Selection, read_facts: FactsReader) -> App:
    """List what of the entry directory goes into the package.

    Raises `EntryError` naming a path that an option leads to and that isn't there, and `ContentError` with all that
    can't be packaged.
    """
    check_entry(entry, selection.index)
    requirements = _find_requirements(entry, selection.requirements)
    own, vendor = _list_own(entry, selection), _list_vendor(entry, selection)
    wheels = tuple(file for file in vendor.files if file.path.endswith(".whl") and "/" not in file.path)
    modules = tuple(file for file in vendor.files if file not in wheels)
    reader = _Reader(read=read_facts)
    files = (*reader.read_all(own.files, Origin.APP), *reader.read_all(modules, Origin.VENDOR))
    vendored_wheels = tuple(reader.read_all(wheels, Origin.VENDOR))
    clashes = _find_clashes(modules, {_own_root(selection.index), APP_FOLDER})
    faults = (*own.faults, *vendor.faults, *clashes, *reader.faults, *_find_requirements_fault(entry, requirements))
    faults += tuple(_find_folder_faults(entry, selection))
    if faults:
        raise ContentError(faults)
    return App(
        entry=entry,
        index=selection.index,
        files=files,
        requirements=requirements,
        vendored_wheels=vendored_wheels,
        vendored_distributions=_name_distributions(file.path for file in modules),
        imports_chalice=any(reader.facts[file.source].imports_chalice for file in own.files),
        findings=(*own.findings, *vendor.findings),
    )


def read_facts(path: str, _: os.stat_result) -> FileFacts:
    """Read a file for its facts."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        first = stream.read(1 << 20)
        chunk = first
        while chunk:
            digest.update(chunk)
            chunk = stream.read(1 << 20)
    # The host's mode says nothing: a checkout on Windows knows no x bits.
    executable = first.startswith((b"#!", b"\x7fELF"))
    return FileFacts(digest.hexdigest(), executable, path.endswith(".py") and imports_chalice(first))


# Read as text, not parsed: the host's parser may not know the target's syntax. A match in a docstring costs two
# small files, a miss would cost the app.


def _own_root(index: str) -> str:
    """Return the path at the package's top level that the handler's module brings along: itself or its folder."""
    return index.split("/", 1)[0]


def _list_own(entry: Path, selection: Selection) -> Listing:
    roots = (_own_root(selection.index), APP_FOLDER)
    include, exclude = Patterns(selection.include), Patterns(selection.exclude)

    def wanted(path: str) -> bool:
        root = path.split("/", 1)[0]
        return root != VENDOR_FOLDER and (root in roots or include.match(path)) and not exclude.match(path)

    if exclude.match(selection.index):
        raise EntryError(
            f"exclude leaves out {selection.index!r}, the handler's module; remove the pattern that does, "
            f"of {list(selection.exclude)!r}, or name another module with index=."
        )
    # Without include there is no need to look at anything but the document's two places.
    starts = None if include else roots
    listing = list_files(entry, starts=starts, wanted=wanted, mode=selection.follow_symlinks)
    if not listing.faults and all(file.path != selection.index for file in listing.files):
        raise EntryError(
            f"{selection.index!r}, the handler's module, is left out: it is a symbolic link and follow_symlinks is "
            f"{selection.follow_symlinks.value!r}, or in a folder that is never packaged, such as a virtual environment. "
            "Make it a file of the app's own, or name another module with index=."
        )
    findings = (*listing.findings, *_find_idle(selection.include, listing))
    return replace(listing, files=_drop_leftovers(listing.files), findings=findings)


def _find_idle(include: Sequence[str], listing: Listing) -> Iterator[Finding]:
    """Say which patterns of `include` select nothing: what they were to bring is missing on Lambda."""
    for text in filter(is_selective, include):
        pattern = Patterns((text,))
        if not any(pattern.match(file.path) for file in listing.files):
            yield Finding(
                id="include-selects-nothing",
                severity=Severity.WARNING,
                message=f"include has {text!r}, and no file of the entry directory that is packaged matches it. Mend or "
                "remove the pattern; paths begin at the entry directory.",
                subject=text,
            )


def _list_vendor(entry: Path, selection: Selection) -> Listing:
    exclude = Patterns(selection.exclude)
    listing = list_files(
        entry, starts=(VENDOR_FOLDER,), wanted=lambda path: not exclude.match(path), mode=selection.follow_symlinks
    )
    files = [file.below(VENDOR_FOLDER) for file in listing.files if "/" in file.path]
    return replace(listing, files=_drop_leftovers(files))


def _drop_leftovers(files: Sequence[FoundFile]) -> tuple[FoundFile, ...]:
    paths = {file.path for file in files}
    return tuple(file for file in files if not is_leftover(file.path, paths))


def _find_clashes(vendored: Iterable[FoundFile], own: set[str]) -> Iterator[str]:
    """Say what would take the place of the app's own code, by its path or, like a folder app/, for `import`."""
    paths = [file.path for file in vendored]
    exact = {path.split("/", 1)[0] for path in paths} & own
    shadows = find_units(paths) & {name.removesuffix(".py") for name in own}
    clashes = sorted(exact or shadows)
    if clashes:
        yield (
            f"{VENDOR_FOLDER}/ has {', '.join(clashes)}, a name that the app's own code has in the package. "
            f"Move it out of {VENDOR_FOLDER}/ or rename it; code that you write goes beside app.py."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Reads listed files; `facts` are those of each by its source, and `faults` says what can't be packaged."""

    read: FactsReader
    facts: dict[str, FileFacts] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read_all(self, found: Iterable[FoundFile], origin: Origin) -> Iterator[AppFile]:
        for file in found:
            fault = _find_file_fault(file) or self._read(file)
            if fault:
                self.faults.append(fault)
                continue
            facts = self.facts[file.source]
            yield AppFile(
                path=file.path,
                source=file.source,
                size=file.stat.st_size,
                executable=facts.executable,
                digest=facts.digest,
                origin=origin,
            )

    def _read(self, file: FoundFile) -> str | None:
        try:
            self.facts[file.source] = self.read(file.source, file.stat)
        except OSError as error:
            return f"{file.source!r} can't be read: {error.strerror}. Make it readable, or exclude it."
        return None


def _find_file_fault(found: FoundFile) -> str | None:
    if fault := find_fault(found.path):
        return f"{found.source!r} can't be packaged under the name {found.path!r}: {fault}. Rename or exclude it."
    if not stat.S_ISREG(found.stat.st_mode):
        return f"{found.source!r} is neither a file nor a folder; remove it or exclude it."
    if found.stat.st_size > LARGEST_PACKAGE:
        return (
            f"{found.source!r} is {found.stat.st_size:,} bytes large, and Lambda's limit for all files is "
            f"{LARGEST_PACKAGE:,}; exclude it."
        )
    return None


def _find_requirements(entry: Path, name: str | None) -> Path | None:
    path = entry / (name or REQUIREMENTS_FILE)
    if path.is_file():
        return path
    if name:
        fault = "is not a file" if path.exists() else "doesn't exist"
        raise EntryError(f"requirements {str(path)!r} {fault}; give a file's path relative to the entry directory.")
    return None


def _find_folder_faults(entry: Path, selection: Selection) -> Iterator[str]:
    """Say which of the layout's folders are files, so that nothing would be where it is looked for."""
    exclude = Patterns(selection.exclude)
    for name in (APP_FOLDER, VENDOR_FOLDER):
        if (entry / name).is_file() and not exclude.match(name):
            yield f"{str(entry / name)!r} is a file, and should be a folder. Rename it, or exclude it."


def _find_requirements_fault(entry: Path, found: Path | None) -> Iterator[str]:
    path = entry / REQUIREMENTS_FILE
    # Something of that name that isn't a file is no absence: without it the package would lack all dependencies.
    if found is None and os.path.lexists(path):
        yield f"requirements {str(path)!r} is not a file, or a symbolic link that leads to none; mend or remove it."


def _name_distributions(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the canonical names of the distributions whose metadata is in vendor/."""
    from packaging.utils import canonicalize_name

    folders = {path.split("/", 1)[0] for path in paths if path.endswith(".dist-info/METADATA") and path.count("/") == 1}
    return tuple(sorted(canonicalize_name(folder.removesuffix(".dist-info").rsplit("-", 1)[0]) for folder in folders))
