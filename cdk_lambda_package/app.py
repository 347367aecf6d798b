"""The app directory: which of its files are in the package, and what else it asks for.

The layout is that of Chalice's "App Packaging" document: the handler's module (app.py) and chalicelib/ as they are,
the content of vendor/ at the top level, requirements.txt for pip. Nothing here is written to, and nothing but the
entry directory is read.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cdk_lambda_package.errors import EntryError, Finding
from cdk_lambda_package.importables import find_units
from cdk_lambda_package.listing import FoundFile, SymlinkFollowMode, list_files
from cdk_lambda_package.member_names import NEVER_FOLDERS, find_fault, is_leftover
from cdk_lambda_package.patterns import Patterns
from cdk_lambda_package.target import LARGEST_PACKAGE

APP_FOLDER = "chalicelib"
VENDOR_FOLDER = "vendor"
REQUIREMENTS_FILE = "requirements.txt"


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
    source: str
    size: int
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

    Raises `EntryError` naming the path that was looked for or that can't be packaged, and the way out.
    """
    _check_entry(entry, selection.index)
    own, findings = _list_own(entry, selection)
    vendored, vendor_findings = _list_vendor(entry, selection)
    wheels = tuple(file for file in vendored if file.path.endswith(".whl") and "/" not in file.path)
    vendored = [file for file in vendored if file not in wheels]
    _refuse_vendored_app(vendored, {_own_root(selection.index), APP_FOLDER})
    facts: dict[str, FileFacts] = {}
    files = [
        _read_file(found, origin, read_facts, facts)
        for origin, listed in ((Origin.APP, own), (Origin.VENDOR, vendored))
        for found in listed
    ]
    return App(
        entry=entry,
        index=selection.index,
        files=tuple(files),
        requirements=_find_requirements(entry, selection.requirements),
        vendored_wheels=tuple(_read_file(wheel, Origin.VENDOR, read_facts, facts) for wheel in wheels),
        vendored_distributions=_name_distributions(file.path for file in vendored),
        imports_chalice=any(facts[file.source].imports_chalice for file in own),
        findings=(*findings, *vendor_findings),
    )


def find_index(entry: Path, index: str | None) -> str:
    """Return the handler's module: the one given, else app.py, else index.py if only that is there."""
    if index is not None:
        return index
    names = ("app.py", "index.py")
    with contextlib.suppress(OSError):  # said by `read_app`
        return next((name for name in names if (entry / name).is_file()), names[0])
    return names[0]


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
    return FileFacts(digest.hexdigest(), executable, path.endswith(".py") and _imports_chalice(first))


# Read as text, not parsed: the host's parser may not know the target's syntax. A match in a docstring costs two
# small files, a miss would cost the app.
_CHALICE_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+chalice[ .\t]|import[ \t]+(?:[^\n#]*,[ \t]*)?chalice\b)", re.MULTILINE
)


def _imports_chalice(source: bytes) -> bool:
    return b"chalice" in source and _CHALICE_IMPORT.search(source) is not None


def _check_entry(entry: Path, index: str) -> None:
    try:
        exists = entry.exists()
    except OSError as error:
        raise EntryError(f"entry {str(entry)!r} can't be looked at: {error.strerror}; it should be a readable directory "
                         f"with {index} in it.") from error  # fmt: skip
    if not exists:
        raise EntryError(f"entry {str(entry)!r} doesn't exist; it should be a directory with {index} in it.")
    if not entry.is_dir():
        raise EntryError(f"entry {str(entry)!r} is a file; it should be the directory that holds {index}.")
    fault = _find_index_fault(index)
    if fault:
        raise EntryError(f"index {index!r} can't be the handler's module: {fault}. Give a path below the entry directory, "
                         "with forward slashes, such as 'app.py' or 'api/main.py'.")  # fmt: skip
    if not (entry / index).is_file():
        others = ", ".join(sorted(path.name for path in entry.glob("*.py"))) or "no module at all"
        raise EntryError(f"{str(entry / index)!r} doesn't exist; the entry directory has {others}. "
                         "Create it, or name the handler's module with index=.")  # fmt: skip


def _find_index_fault(index: str) -> str | None:
    folders = index.split("/")[:-1]
    if not NEVER_FOLDERS.isdisjoint(folders) or folders[:1] == [VENDOR_FOLDER]:
        return "it is in a folder that isn't for the app's own code"
    return find_fault(index) or (None if index.endswith(".py") else "it doesn't end in .py")


def _own_root(index: str) -> str:
    """Return the path at the package's top level that the handler's module brings along: itself or its folder."""
    return index.split("/", 1)[0]


def _list_own(entry: Path, selection: Selection) -> tuple[list[FoundFile], tuple[Finding, ...]]:
    roots = (_own_root(selection.index), APP_FOLDER)
    include, exclude = Patterns(selection.include), Patterns(selection.exclude)

    def wanted(path: str) -> bool:
        root = path.split("/", 1)[0]
        return root != VENDOR_FOLDER and (root in roots or include.match(path)) and not exclude.match(path)

    # Without include there is no need to look at anything but the document's two places.
    starts = None if include else roots
    found, findings = list_files(entry, starts=starts, wanted=wanted, mode=selection.follow_symlinks)
    if not any(file.path == selection.index for file in found):
        if exclude.match(selection.index):
            raise EntryError(
                f"exclude leaves out {selection.index!r}, the handler's module; remove the pattern that does, "
                f"of {list(selection.exclude)!r}, or name another module with index=."
            )
        raise EntryError(
            f"{selection.index!r}, the handler's module, is left out: it is a symbolic link and follow_symlinks is "
            f"{selection.follow_symlinks.value!r}, or in a folder that is never packaged, such as a virtual environment. "
            "Make it a file of the app's own, or name another module with index=."
        )
    return _drop_leftovers(found), findings


def _list_vendor(entry: Path, selection: Selection) -> tuple[list[FoundFile], tuple[Finding, ...]]:
    exclude = Patterns(selection.exclude)
    found, findings = list_files(
        entry, starts=(VENDOR_FOLDER,), wanted=lambda path: not exclude.match(path), mode=selection.follow_symlinks
    )
    return _drop_leftovers([file.below(VENDOR_FOLDER) for file in found if "/" in file.path]), findings


def _drop_leftovers(files: list[FoundFile]) -> list[FoundFile]:
    paths = {file.path for file in files}
    return [file for file in files if not is_leftover(file.path, paths)]


def _refuse_vendored_app(vendored: Iterable[FoundFile], own: set[str]) -> None:
    """Refuse what would take the place of the app's own code, by its path or, like a folder app/, for `import`."""
    paths = [file.path for file in vendored]
    exact = {path.split("/", 1)[0] for path in paths} & own
    shadows = find_units(paths) & {name.removesuffix(".py") for name in own}
    clashes = sorted(exact or shadows)
    if clashes:
        raise EntryError(f"{VENDOR_FOLDER}/ has {', '.join(clashes)}, a name that the app's own code has in the package. "
                         f"Move it out of {VENDOR_FOLDER}/ or rename it; code that you write goes beside app.py.")  # fmt: skip


def _read_file(found: FoundFile, origin: Origin, read: FactsReader, facts: dict[str, FileFacts]) -> AppFile:
    fault = find_fault(found.path)
    if fault:
        raise EntryError(
            f"{found.source!r} can't be packaged under the name {found.path!r}: {fault}. Rename or exclude it."
        )
    if not stat.S_ISREG(found.stat.st_mode):
        raise EntryError(f"{found.source!r} is neither a file nor a folder; remove it or exclude it.")
    if found.stat.st_size > LARGEST_PACKAGE:
        raise EntryError(f"{found.source!r} is {found.stat.st_size:,} bytes large, and Lambda's limit for all files is "
                         f"{LARGEST_PACKAGE:,}; exclude it.")  # fmt: skip
    try:
        known = facts[found.source] = read(found.source, found.stat)
    except OSError as error:
        raise EntryError(
            f"{found.source!r} can't be read: {error.strerror}. Make it readable, or exclude it."
        ) from error
    return AppFile(
        path=found.path,
        source=found.source,
        size=found.stat.st_size,
        executable=known.executable,
        digest=known.digest,
        origin=origin,
    )


def _find_requirements(entry: Path, name: str | None) -> Path | None:
    path = entry / (name or REQUIREMENTS_FILE)
    if path.is_file():
        return path
    # Something of that name that isn't a file is no absence: without it the package would lack all dependencies.
    if os.path.lexists(path):
        raise EntryError(
            f"requirements {str(path)!r} is not a file, or a symbolic link that leads to none; mend or remove it."
        )
    if name:
        raise EntryError(
            f"requirements {str(path)!r} doesn't exist; give a file's path relative to the entry directory."
        )
    return None


def _name_distributions(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the canonical names of the distributions whose metadata is in vendor/."""
    from packaging.utils import canonicalize_name

    folders = {path.split("/", 1)[0] for path in paths if path.endswith(".dist-info/METADATA") and path.count("/") == 1}
    return tuple(sorted(canonicalize_name(folder.removesuffix(".dist-info").rsplit("-", 1)[0]) for folder in folders))
