"""The app directory: which of its files are in the package, and what else it asks for.

The layout is that of Chalice's "App Packaging" document: the handler's module (app.py) and chalicelib/ as they are,
the content of vendor/ at the top level, requirements.txt for pip. Nothing in here writes, or reads outside of the entry
directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePath

from packaging.utils import canonicalize_name

from cdk_lambda_package.app_directory.folders import (
    VENDOR_FOLDER,
    AppFile,
    FactsReader,
    FileFacts,
    FileSet,
    FolderFiles,
    FolderMemory,
    KnownFolder,
    joined_names,
)
from cdk_lambda_package.app_directory.listing import (
    ListedFolder,
    Listing,
    SymlinkFollowMode,
    describe_unused,
    list_files,
    list_modules,
)
from cdk_lambda_package.app_directory.opening import FoundFile, open_listed
from cdk_lambda_package.errors import ChangedFileError, ContentError, EntryError, Finding, Severity, nearest
from cdk_lambda_package.paths import (
    NEVER_FOLDERS,
    Patterns,
    import_units,
    is_cache,
    is_leftover,
    is_selective,
    name_fault,
)
from cdk_lambda_package.target import LARGEST_PACKAGE, PythonVersion, unused_caches

# For the error for a missing module: what looks like a handler, how many folders deep, and how many are named.
_HANDLER = re.compile(
    rb"^(?:def |)(?:lambda_)?handler\b[ \t]*[(:=]|^\w+[ \t]*=[ \t]*(?:chalice\.)?Chalice\(", re.MULTILINE
)
_DEEPEST, _MOST_NAMED = 3, 5

APP_FOLDER = "chalicelib"
_VENDORED = f"{VENDOR_FOLDER}/"
# https://packaging.python.org/en/latest/discussions/src-layout-vs-flat-layout/
_SOURCES = "src/"
# A project whose pyproject.toml has it can be required by its path.
_BUILDS = re.compile(rb"^[ \t]*\[build-system\]", re.MULTILINE)
# An entry directory that is further below a project isn't taken for a part of it.
_LEVELS_ABOVE = 4
REQUIREMENTS_FILE = "requirements.txt"


def choose_index(entry: Path, index: str | os.PathLike[str] | None) -> str:
    """Return the path of the handler's module: the one given, else app.py, else index.py if only that exists.

    `pkg.py` is the package `pkg/__init__.py` if only that exists: Lambda has one name for both, `pkg`.

    Example:
        `choose_index(entry, None)` is `"app.py"`.
    """
    names = (
        ("app.py", "index.py")
        if index is None
        else (name := normalise_index(index), f"{name.removesuffix('.py')}/__init__.py")
    )
    with contextlib.suppress(OSError):  # reported by `check_entry`
        return next((name for name in names if (entry / name).is_file()), names[0])
    return names[0]


def normalise_index(index: str | os.PathLike[str]) -> str:
    """Return an index as the path of its module in a package.

    Example:
        `normalise_index("./api/main.py")` and `normalise_index(Path("api", "main.py"))` are `"api/main.py"`.
    """
    text = index if isinstance(index, str) else PurePath(index).as_posix()
    # An empty one stays empty, and is rejected later.
    return posixpath.normpath(text) if text else text


def check_index(index: str) -> None:
    """Raise `EntryError` for a path that the handler's module can't have, whether or not there is such a file.

    Example:
        `check_index("vendor/app.py")` raises it.
    """
    fault = _index_fault(index)
    if fault:
        raise EntryError(f"index {index!r} can't be the handler's module: {fault}. Give a path below the entry directory, "
                         "with forward slashes, such as 'app.py' or 'api/main.py'.")  # fmt: skip


def _index_fault(index: str) -> str | None:
    folders = index.split("/")[:-1]
    if not NEVER_FOLDERS.isdisjoint(folders) or folders[:1] == [VENDOR_FOLDER]:
        return "it is in a folder that isn't for the app's own code"
    if fault := name_fault(index):
        return fault
    if not index.endswith(".py"):
        return "it doesn't end in .py"
    # Lambda imports the module by its path with dots for slashes.
    # importlib.import_module: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
    for part in index.removesuffix(".py").split("/"):
        if "." in part:
            return f"{part!r} has a dot, and `import` takes {part.replace('.', '/')!r} for what it names"
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html#lambda-CreateFunction-request-Handler
    return "it has a space, and Lambda takes no handler with one" if re.search(r"\s", index) else None


def check_directory(entry: Path, index: str) -> None:
    """Raise `EntryError` unless the entry is a directory; `index` is the module that should be in it.

    Example:
        `check_directory(Path("missing"), "app.py")` raises it.
    """
    try:
        if entry.is_dir():
            return
    except OSError as error:
        raise EntryError(f"entry {str(entry)!r} can't be read: {error.strerror}; it should be a readable directory "
                         f"with {index} in it.") from error  # fmt: skip
    if entry.exists():
        raise EntryError(f"entry {str(entry)!r} is a file; it should be the directory that holds {index}.")
    raise EntryError(f"entry {str(entry)!r} doesn't exist; it should be a directory with {index} in it.")


def check_entry(entry: Path, index: str, handler: str | None = None) -> None:
    """Raise `EntryError` unless the entry is a directory with the handler's module in it.

    `handler` is the option of this name, if that is what says which module it is.
    """
    path = entry / index
    # A file is in a directory.
    is_there = _is_file(path)
    if not is_there:
        check_directory(entry, index)
    check_index(index)
    if is_there:
        return
    if handler is not None and not os.path.lexists(path):
        raise EntryError(f"handler {handler!r}: {str(path)!r} doesn't exist. {_other_module(entry, index, handler)}")
    if os.path.lexists(path):
        what = "is a folder" if path.is_dir() else "is a link that leads nowhere" if path.is_symlink() else "is no file"
        raise EntryError(f"{str(path)!r} {what}, and the handler's module should be there. Put the module in its place, or "
                         "name it with index=.")  # fmt: skip
    others = ", ".join(sorted(one.name for one in entry.glob("*.py") if one.is_file()))
    if others:
        raise EntryError(f"{str(path)!r} doesn't exist; the entry directory has {others}. "
                         "Create it, or name the handler's module with index=.")  # fmt: skip
    if deeper := _modules_with_handler(entry):
        raise EntryError(f"{str(path)!r} doesn't exist; the entry directory has no module itself, but {', '.join(deeper)} with a "
                         f"handler. {_choose_module(entry, deeper[0])}")  # fmt: skip
    raise EntryError(f"{str(path)!r} doesn't exist; the entry directory has no module at all. "
                     "Create it, or name the handler's module with index=.")  # fmt: skip


def _is_file(path: Path) -> bool:
    # A directory that can't be read is another error.
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def _choose_module(entry: Path, path: str) -> str:
    """Return a sentence on how to choose a module with a handler in a folder."""
    if path.startswith(_SOURCES) and _is_project(entry):
        module = path.removeprefix(_SOURCES).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        found = _HANDLER.search((entry / path).read_bytes())
        name = re.split(rb"\W", found[0].removeprefix(b"def "))[0].decode() if found else "handler"
        return f"Set handler={f'{module}.{name}'!r}: the entry directory is a project, and its modules are packaged."
    return (
        f"Set entry={str(entry / path.rpartition('/')[0])!r}, or index={path!r}, which packages its top-level folder."
    )


def _is_project(folder: str | Path) -> bool:
    """Tell whether a folder has a project that can be required by its path."""
    with contextlib.suppress(OSError), open(f"{folder}/pyproject.toml", "rb", buffering=0) as stream:  # noqa: PTH123 - of four folders
        return _BUILDS.search(stream.readall()) is not None
    return False


def _other_module(entry: Path, index: str, handler: str) -> str:
    """Return a sentence on the module that a handler may mean, whose own one, at the path `index`, isn't there."""
    name = handler.rpartition(".")[2]

    def in_full(path: str) -> str:
        return repr(f"{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}.{name}")

    # `src/main.py.handler` is read as `src/main/py.py` and `handler`.
    if (entry / f"{index.removesuffix('/py.py')}.py").is_file():
        return f"Write the module without its suffix: handler={in_full(index.removesuffix('/py.py'))}."
    modules = list(_module_paths(entry))
    below = next((path for path in modules if path.endswith(f"/{index}")), None)
    if below is not None:
        folder = below.removesuffix(f"/{index}")
        project = any((entry / file).is_file() for file in ("pyproject.toml", "setup.py"))
        other = (
            f"require the project with a line `-e .` in {REQUIREMENTS_FILE}" if project else f"handler={in_full(below)}"
        )
        return f"It is in {folder}/: set entry={str(entry / folder)!r}, or {other}."
    inside = f"{index.removesuffix('.py')}/"
    near = nearest(index, modules, cutoff=0.7) or [path for path in modules if path.startswith(inside)]
    near = near or _modules_with_handler(entry)
    if not near:
        return "Create it, or correct the handler."
    return f"Did you mean handler={in_full(near[0])}, of {near[0]}? Else create it."


def _module_paths(entry: Path) -> Iterator[str]:
    """Yield the paths of the entry directory's modules, for an error; those far down aren't looked for."""
    for place, folders, names in os.walk(entry):
        _leave_out_unwanted(entry, place, folders)
        yield from (Path(place, name).relative_to(entry).as_posix() for name in sorted(names) if name.endswith(".py"))


def _leave_out_unwanted(entry: Path, place: str, folders: list[str]) -> None:
    """Remove the folders that aren't walked for an error, among them virtual environments."""
    depth = len(Path(place).relative_to(entry).parts)
    unwanted = NEVER_FOLDERS | ({VENDOR_FOLDER} if not depth else set())
    wanted = (name for name in folders if name not in unwanted and name[:1] != "." and depth < _DEEPEST)
    folders[:] = sorted(name for name in wanted if not Path(place, name, "pyvenv.cfg").exists())


def _modules_with_handler(entry: Path) -> list[str]:
    """Return the paths of modules in folders that seem to have a handler, for an error; a few are enough."""
    found: list[str] = []
    for place, folders, names in os.walk(entry):
        _leave_out_unwanted(entry, place, folders)
        for path in (Path(place, name) for name in sorted(names) if name.endswith(".py")):
            with contextlib.suppress(OSError):
                if _HANDLER.search(path.read_bytes()):
                    found.append(path.relative_to(entry).as_posix())
        if len(found) >= _MOST_NAMED:
            break
    return found[:_MOST_NAMED]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which files of an entry directory are wanted; the fields mean the same as the options of these names.

    `index` is None for an app without a module of its own, such as a layer. `handler` is the option, if that names the module.
    `handler_file` is a file outside of the other places
    that is or has the handler. `python` is the target's version: the bytecode caches of vendor/ that it uses are wanted, none if it is None.

    Example:
        `Selection(include=("templates/",), exclude=("*.md",))`
    """

    index: str | None = "app.py"
    handler: str | None = None
    handler_file: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_symlinks: SymlinkFollowMode = SymlinkFollowMode.BLOCK_EXTERNAL
    requirements: str | None = None
    python: PythonVersion | None = None

    @property
    def view(self) -> tuple[object, ...]:
        """All by which two selections may want other files of the same folder."""
        return self.include, self.exclude, self.follow_symlinks, self.python is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An entry directory that was read: its files, and what they ask for.

    `own` are the files of the user's own code, `vendored` those of vendor/. `index` is "" without a module of its own, `handler_file` what else is or has the handler. `requirements` is the requirements
    file, None if there is none.
    `vendored_wheels` are the wheels in vendor/, `vendored_distributions` the names of the distributions whose metadata is
    there. `unpackaged` are the paths of modules that aren't packaged, such as `("scripts/", "setup.py")`: a folder of which
    nothing is packaged is one path, and those directly in `src/` are listed too, last those of a project above, as
    `"../src/orders/"`.
    """

    entry: Path
    index: str
    own: FileSet
    vendored: FileSet
    requirements: Path | None
    vendored_wheels: tuple[AppFile, ...]
    vendored_distributions: tuple[str, ...]
    imports_chalice: bool
    unpackaged: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    handler_file: str | None = None

    @property
    def files(self) -> tuple[AppFile, ...]:
        """All files, in order of their paths, those of the user's own code first."""
        return (*self.own.files, *self.vendored.files)

    @property
    def tops(self) -> frozenset[str]:
        """The names of files and folders at the top level of the package that the files have."""
        return self.own.tops | self.vendored.tops

    def paths_in(self, *prefixes: str) -> Iterator[str]:
        """Yield the paths of the files that are directly in one of these folders of the package, each "" or with a slash at the end."""
        yield from self.own.paths_in(*prefixes)
        yield from self.vendored.paths_in(*prefixes)


def read_app(entry: Path, selection: Selection, read_facts: FactsReader, memory: FolderMemory | None = None) -> App:
    """Return the files of the entry directory that are packaged, and what they ask for.

    Files that the `memory` knows aren't read; what was read is added to it. Raises `EntryError` for a path in the options that doesn't
    exist, `ContentError` with all that can't be packaged, and `ChangedFileError` for a file that changes at the same time (see `settled`).

    Example:
        `read_app(Path("orders").absolute(), Selection(), read_facts).files`
    """
    if selection.index is None:
        check_directory(entry, "the app's files")
    else:
        check_entry(entry, selection.index, selection.handler)
    requirements = _requirements_file(entry, selection.requirements)
    memory = memory or FolderMemory()
    listing = _list_app(entry, selection, memory)
    reading = _Reading(read_facts, memory, _chosen_tops(selection))
    folders = [reading.files_of(listed) for listed in sorted(listing.listed)]
    own = [folder for folder in folders if not folder.is_vendored]
    vendored = [folder for folder in folders if folder.is_vendored and not is_cache(folder.prefix)]
    caches = [folder for folder in folders if folder.is_vendored and is_cache(folder.prefix)]
    wheels = [file for folder in vendored if not folder.package_prefix for file in folder.files if _is_wheel(file.path)]
    if wheels:
        vendored = [
            folder if folder.package_prefix else folder.only(lambda path: not _is_wheel(path)) for folder in vendored
        ]
    own_files = FileSet(own)
    faults = [*listing.faults, *_clashes(vendored, {*_own_roots(selection)}), *reading.faults]
    faults += _layout_faults(entry, requirements, own_files)
    if faults:
        raise ContentError(faults)

    used, notes = _choose_caches(vendored, caches, selection.python) if selection.python else ([], ())
    return App(
        entry=entry,
        index=selection.index or "",
        own=own_files,
        vendored=FileSet(sorted((*vendored, *used), key=attrgetter("prefix"))),
        requirements=requirements,
        vendored_wheels=tuple(wheels),
        vendored_distributions=_vendored_distributions(vendored),
        imports_chalice=any(folder.imports_chalice for folder in own),
        unpackaged=_unpackaged(entry, listing.unwanted, own_files.tops),
        findings=(*listing.findings, *notes, *_unused_patterns(selection.include, own)),
        handler_file=selection.handler_file,
    )


def _is_wheel(path: str) -> bool:
    return path.endswith(".whl")


def _can_be_told(listed: ListedFolder) -> bool:
    """Return whether the names of a folder's entries tell what there is, and can be written down."""
    return listed.is_plain and not any(name_fault(name.removesuffix("/")) for name in listed.names)


class _Reading:
    """Reads the files of folders that aren't known. `faults` are those of files that can't be packaged."""

    def __init__(self, read: FactsReader, memory: FolderMemory, chosen: Collection[str]) -> None:
        self._read, self._memory, self._chosen = read, memory, chosen
        self._facts: dict[str, FileFacts] = {}
        self.faults: list[str] = []

    def files_of(self, listed: ListedFolder) -> FolderFiles:
        """Return the files of a folder that are packaged; of a folder of bytecode caches, all that can be read."""
        if listed.is_known:
            return self._memory.content(listed.prefix)
        paths = {file.path for file in listed.files}
        is_of_caches = is_cache(listed.prefix)
        files = [file for file in listed.files if is_of_caches or not is_leftover(file.path, paths)]
        # Of the entry directory itself, only some entries are looked at.
        is_told = bool(listed.prefix) and _can_be_told(listed)
        taken = {file.path.rpartition("/")[2] for file in files}
        seen = KnownFolder(
            place=listed.place,
            root=listed.root,
            chosen=_top(listed.prefix) in self._chosen,
            names=joined_names(listed.names) if is_told else None,
            left_out=[name for name in listed.names if name[-1] != "/" and name not in taken and not name_fault(name)],
            unwanted=list(listed.unwanted) if is_told else [],
        )
        return self._memory.read(seen, listed.prefix, files, self._cache_facts if is_of_caches else self._file_facts)

    def _file_facts(self, file: FoundFile) -> FileFacts | None:
        fault = _file_fault(file)
        try:
            # Links may lead to the same file.
            if fault is None and file.source not in self._facts:
                self._facts[file.source] = self._read(file)
        except OSError as error:
            fault = f"{file.source!r} can't be read: {error.strerror}. Make it readable, or exclude it."
        if fault is not None:
            self.faults.append(fault)
            return None
        return self._facts[file.source]

    def _cache_facts(self, file: FoundFile) -> FileFacts | None:
        # One that can't be read is no fault: nothing needs it.
        with contextlib.suppress(OSError):
            return self._read(file) if _file_fault(file) is None else None
        return None


def _top(path: str) -> str:
    """Return the file or folder at the top level that a path is, or lies in."""
    return path.partition("/")[0]


def _own_roots(selection: Selection) -> tuple[str, ...]:
    """Return the paths at the package's top level that the app's own code has: the handler's module or its folder first."""
    named = (path for path in (selection.index, selection.handler_file) if path is not None)
    return (*map(_top, named), APP_FOLDER)


def _chosen_tops(selection: Selection) -> tuple[str, ...]:
    """Return the files and folders at the entry directory's top level that are packaged whether or not a pattern selects them."""
    return (*_own_roots(selection), VENDOR_FOLDER)


def _list_app(entry: Path, selection: Selection, memory: FolderMemory) -> Listing:
    """List what is packaged: the handler's module or its folder, chalicelib/, vendor/, and what `include` selects."""
    roots = _chosen_tops(selection)
    include, exclude = Patterns(selection.include), Patterns(selection.exclude)

    def wanted(path: str) -> bool:
        chosen = (path.partition("/")[0] in roots or include.match(path)) and not exclude.match(path)
        return chosen and (path.endswith(".pyc") or not is_cache(path))

    def recognise(
        prefix: str, place: str, root: str, entries: Sequence[os.DirEntry[str]], names: list[str]
    ) -> Sequence[str] | None:
        known = memory.recognise(prefix, place, root, entries, names, chosen=_top(prefix) in roots)
        return known.unwanted if known is not None else None

    if selection.index and exclude.match(selection.index):
        raise EntryError(
            f"exclude leaves out {selection.index!r}, the handler's module; remove the pattern that does, "
            f"of {list(selection.exclude)!r}, or name another module with index=."
        )
    # Without include there is no need to look at anything but the document's places.
    listing = list_files(
        entry,
        starts=None if include else roots,
        wanted=wanted,
        mode=selection.follow_symlinks,
        caches=_VENDORED if selection.python else None,
        recognise=recognise,
    )
    if not include:
        memory.keep_others(roots)
    if selection.index and not listing.faults and not _has(listing, selection.index):
        raise EntryError(
            f"{selection.index!r}, the handler's module, is left out: it is a symbolic link and follow_symlinks is "
            f"{selection.follow_symlinks.value!r}, or in a folder that is never packaged, such as a virtual environment. "
            "Make it a file of the app's own, or name another module with index=."
        )
    return listing


def _has(listing: Listing, path: str) -> bool:
    """Return whether a file is among those that were listed or recognised."""
    folder, slash, name = path.rpartition("/")
    for listed in listing.listed:
        if listed.prefix == f"{folder}{slash}":
            return name in listed.names if listed.is_known else any(file.path == path for file in listed.files)
    return False


def _unused_patterns(include: Sequence[str], own: Iterable[FolderFiles]) -> Iterator[Finding]:
    """Yield a warning for each pattern of `include` that selects nothing: the files it meant are missing on Lambda."""
    patterns = list(filter(is_selective, include))
    paths = [path for folder in own for path in folder.paths] if patterns else []
    for text in patterns:
        pattern = Patterns((text,))
        if not pattern.select(paths):
            yield Finding(
                id="include-selects-nothing",
                severity=Severity.WARNING,
                message=f"include has {text!r}, and no file of the entry directory that is packaged matches it. Correct or "
                "remove the pattern; paths begin at the entry directory.",
                subject=text,
            )


def _unpackaged(entry: Path, unwanted: Iterable[str], packaged: AbstractSet[str]) -> tuple[str, ...]:
    """Return the modules that aren't packaged, sorted; a folder of which nothing is packaged is one path, but for src/."""
    found = {path if _top(path) in packaged or "/" not in path else f"{_top(path)}/" for path in unwanted}
    # What a project would install, the only modules below a folder that an import can mean.
    found |= {f"{_SOURCES}{name}" for name in list_modules(entry / _SOURCES)} if _SOURCES in found else set()
    known = (
        path for path in found if not path.startswith(_VENDORED) and ("/" not in path or _top(path).isidentifier())
    )
    return (*sorted(known), *_modules_above(entry))


def _modules_above(entry: Path) -> Iterator[str]:
    """Yield the modules in src/ of the nearest project that the entry directory is below, such as "../src/orders/"."""
    folder = str(entry)
    for depth in range(1, _LEVELS_ABOVE + 1):
        # As text: none of them is a project, mostly.
        folder, below = os.path.dirname(folder), folder  # noqa: PTH120
        if folder == below:
            return
        if _is_project(folder):
            yield from (f"{'../' * depth}{_SOURCES}{name}" for name in list_modules(Path(folder, _SOURCES)))
            return


def _choose_caches(
    vendored: Sequence[FolderFiles], caches: Sequence[FolderFiles], version: PythonVersion
) -> tuple[list[FolderFiles], tuple[Finding, ...]]:
    """Return the folders with the bytecode caches of vendor/ that a Python uses, and the notes about the others."""
    if not caches:
        return [], ()
    places = {folder.package_prefix: folder for folder in vendored}
    paths = {path for folder in vendored for path in folder.paths}

    def source(path: str) -> bytes:
        folder, slash, _ = path.rpartition("/")
        file = next(file for file in places[f"{folder}{slash}"].files if file.path == path)
        with open_listed(file.root, file.source) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != file.digest:
            raise ChangedFileError(file.source)
        return content

    heads = {path: row.facts.head for folder in caches for path, row in zip(folder.paths, folder.rows, strict=True)}
    unused = unused_caches(heads, paths, source, version)
    named = {f"{_VENDORED}{path}": reason for path, reason in unused.items()}
    notes = describe_unused(named, _VENDORED, "python{}.{}".format(*version))
    used = [folder.only(lambda path: path not in unused) for folder in caches]
    return [folder for folder in used if folder.parts], tuple(notes)


def _clashes(vendored: Sequence[FolderFiles], own: set[str]) -> Iterator[str]:
    """Yield what would replace the app's own code, by its path or, like a folder app/, for `import`."""
    if not vendored:
        return
    exact = {top for folder in vendored for top in folder.tops} & own
    # A name without a folder is that of a module, or of a package with a module in it.
    near = (folder for folder in vendored if folder.package_prefix.count("/") < 2)
    shadows = import_units(path for folder in near for path in folder.paths) & {
        name.removesuffix(".py") for name in own
    }
    clashes = sorted(exact or shadows)
    if clashes:
        yield (
            f"{VENDOR_FOLDER}/ has {', '.join(clashes)}, a name that the app's own code has in the package. "
            f"Move it out of {VENDOR_FOLDER}/ or rename it; code that you write goes beside app.py."
        )


def _file_fault(found: FoundFile) -> str | None:
    if fault := name_fault(found.path):
        return f"{found.source!r} can't be packaged under the name {found.path!r}: {fault}. Rename or exclude it."
    if not stat.S_ISREG(found.stat.st_mode):
        return f"{found.source!r} is neither a file nor a folder; remove it or exclude it."
    if found.stat.st_size > LARGEST_PACKAGE:
        return (
            f"{found.source!r} is {found.stat.st_size:,} bytes large, and Lambda's limit for all files is "
            f"{LARGEST_PACKAGE:,}; exclude it."
        )
    return None


def _requirements_file(entry: Path, name: str | None) -> Path | None:
    path = entry / (name or REQUIREMENTS_FILE)
    if path.is_file():
        return path
    if name:
        fault = "is not a file" if path.exists() else "doesn't exist"
        raise EntryError(f"requirements {str(path)!r} {fault}; give a file's path relative to the entry directory.")
    return None


def _layout_faults(entry: Path, requirements: Path | None, own: FileSet) -> Iterator[str]:
    """Yield which of the layout's places are of another kind, so that nothing would be found in them."""
    # A folder of this name isn't the app's own, or has files.
    for name in (APP_FOLDER, VENDOR_FOLDER):
        if name in own.tops and name in own.paths_in(""):
            yield f"{str(entry / name)!r} is a file, and should be a folder. Rename it, or exclude it."
    path = entry / REQUIREMENTS_FILE
    # Something of that name that isn't a file doesn't count as missing: the package would lack all dependencies.
    if requirements is None and os.path.lexists(path):
        yield f"requirements {str(path)!r} is not a file, or a symbolic link that leads to none. Correct or remove it."


def _vendored_distributions(vendored: Iterable[FolderFiles]) -> tuple[str, ...]:
    """Return the canonical names of the distributions whose metadata is in vendor/."""
    near = (folder for folder in vendored if folder.package_prefix.endswith(".dist-info/"))
    folders = {
        _top(path) for folder in near for path in folder.paths if path.endswith("/METADATA") and path.count("/") == 1
    }
    return tuple(sorted(canonicalize_name(folder.removesuffix(".dist-info").rsplit("-", 1)[0]) for folder in folders))
