"""What `import` finds: files, and what is there without files.

The order is that of Python: built-in modules, then the folders of `sys.path`, then namespace packages, for names that none
of the folders has as a module or a regular package (PEP 420). A module that isn't found may be there all the same, by what another
module adds to what Python finds.
"""

from __future__ import annotations

import enum
import posixpath
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import ChangeKind, PathChange
from cdk_lambda_package.target import ModulePresence, PythonVersion, is_always_loaded, standard_presence

COMPILED_SUFFIXES = (".so", ".pyd")
"""The last suffixes of extension modules, on any system."""

# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
_TASK_ROOT = "/var/task"
# Modules that another module puts into sys.modules under a name of its own, when it is imported or asked to.
_STAND_INS = {"MySQLdb": "pymysql", "distutils": "setuptools", "psycopg2": "psycopg2cffi"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Where a Python looks for modules, and what it finds besides the files that are analysed.

    Attributes:
        python: Its version.
        suffixes: The suffixes of modules' files, in the order in which it searches them.
        outside: The paths of further files, such as those of a layer.
        roots: The folders of `sys.path` in order, each "" or with a slash at the end.
        preinstalled: Top-level modules that are there without files; False for those that may be missing.
        provided: Modules that are there without files if nothing else has their name.

    Example:
        `Environment(python=(3, 13), preinstalled={"boto3": True})`
    """

    python: PythonVersion
    suffixes: tuple[str, ...] = (".py",)
    outside: frozenset[str] = frozenset()
    roots: tuple[str, ...] = ("",)
    preinstalled: Mapping[str, bool] = field(default_factory=dict)
    provided: frozenset[str] = frozenset()


class ModuleOrigin(enum.Enum):
    """Where a module comes from.

    Example:
        `finder.find("json").origin` is `ModuleOrigin.STANDARD_LIBRARY`.
    """

    FILES = "files"
    OUTSIDE = "files outside of the package"
    STANDARD_LIBRARY = "standard library"
    PREINSTALLED = "preinstalled"
    PROVIDED = "provided"
    STAND_IN = "stand-in"


class Found(NamedTuple):
    """A module that was found.

    `path` is its file, None for a namespace package and for a module without a file. `folders` is where its submodules
    are searched, empty for a module that isn't a package. `certain` is False if the module may be missing.
    """

    origin: ModuleOrigin
    path: str | None = None
    folders: tuple[str, ...] = ()
    certain: bool = True

    @property
    def is_namespace(self) -> bool:
        """True for a namespace package, which has no names except those of its submodules."""
        return self.path is None and bool(self.folders)


class ModuleFinder:
    """Finds the modules of a set of files, given by their `paths`, and of the environment around them.

    Example:
        `ModuleFinder({"app.py"}, environment).find("app").path` is "app.py".
    """

    def __init__(self, paths: Collection[str], environment: Environment) -> None:
        self._paths = paths
        self._environment = environment
        self._version = environment.python
        self._found: dict[str, Found | None] = {}

    def find(self, module: str) -> Found | None:
        """Return what `import` finds under a dotted name; None if there is nothing."""
        if module not in self._found:
            self._found[module] = self._find(module) or self._find_provided(module)
        return self._found[module]

    def search_top(self, name: str) -> Found | None:
        """Return the module or regular package in the first folder of the path, even if another module precedes it."""
        return self._search(self._environment.roots[:1], name)

    def below_root(self, path: str) -> str:
        """Return a module's path below the folder of `sys.path` that it is in, the innermost of several."""
        roots = (root for root in self._environment.roots if path.startswith(root))
        return path[max(map(len, roots), default=0) :]

    def find_elsewhere(self, module: str, counts: Callable[[str], bool] | None = None) -> str | None:
        """Return a file that would be this module, or in it, if its folder were on the path, of those that count."""
        tail = f"/{module.replace('.', '/')}"
        ends = (f"{tail}.py", f"{tail}/__init__.py")
        inside = f"{tail}/"
        found = (path for path in self._paths if path.endswith(ends) or inside in path)
        return next((path for path in found if counts is None or counts(path)), None)

    def find_in(self, folder: str, name: str) -> str | None:
        """Return a file that would be a top-level module, or in it, if the folder were on the path.

        The folder has a slash at the end. An archive in its place may have any module.
        """
        beginnings = (f"{folder}{name}/", f"{folder}{name}.")
        archive = folder.removesuffix("/")
        return next((path for path in self._paths if path == archive or path.startswith(beginnings)), None)

    def find_unusable(self, module: str) -> str | None:
        """Return a file that would be this module for another Python or system, such as name.cpython-39-darwin.so."""
        return self._compiled.get(module.replace(".", "/"))

    def find_native_part(self, package: str) -> str | None:
        """Return the extension module in a package's folder that has the package's own name, as cv2/cv2.abi3.so."""
        found = self.find(package)
        inside = self._search(found.folders, package.rpartition(".")[2]) if found is not None else None
        return inside.path if inside is not None and inside.path and not inside.path.endswith(".py") else None

    @cached_property
    def _compiled(self) -> Mapping[str, str]:
        """The first file of each extension module, whichever Python and system it is for, by its path up to the first dot."""
        compiled: dict[str, str] = {}
        for path in self._paths:
            if path.endswith(COMPILED_SUFFIXES):
                folder, slash, name = path.rpartition("/")
                compiled.setdefault(f"{folder}{slash}{name.partition('.')[0]}", path)
        return compiled

    def files_below(self, folder: str) -> Iterator[str]:
        """Yield the paths of the files in a folder, which has a slash at the end, and in those in it; all for ""."""
        for path in islice(self._sorted, bisect_left(self._sorted, folder), None):
            if not path.startswith(folder):
                return
            yield path

    def list_modules(self, package: str = "") -> tuple[str, ...]:
        """Return the names of the modules and folders in a package, or those at the top level, sorted."""
        folders: tuple[str, ...] = ("",)
        if package:
            found = self.find(package)
            folders = found.folders if found else ()
        return tuple(sorted({name for folder in folders for name in self._list_folder(folder)}))

    def submodules(self, package: str) -> frozenset[str]:
        """Return the names of all modules and folders in a package, compiled ones too; none for a module without files."""
        found = self.find(package)
        folders = found.folders if found is not None else ()
        return frozenset[str]().union(*(self._children.get(folder, ()) for folder in folders))

    @cached_property
    def _children(self) -> Mapping[str, set[str]]:
        """The names in each folder, without suffixes; a folder has a slash at the end."""
        children: dict[str, set[str]] = {}
        for path in self._paths:
            folder, slash, name = path.rpartition("/")
            children.setdefault(folder + slash, set()).add(name.partition(".")[0])
        for path in (*children, *self._environment.outside):
            folder = path.rpartition("/")[0]
            while folder:
                parent, slash, name = folder.rpartition("/")
                children.setdefault(parent + slash, set()).add(name)
                folder = parent
        return children

    def _list_folder(self, folder: str) -> Iterator[str]:
        for path in self._paths:
            if path.startswith(folder):
                name, slash, _ = path[len(folder) :].partition("/")
                stem = name if slash else name.removesuffix(".py")
                if (slash or name.endswith(".py")) and stem.isidentifier():
                    yield stem

    def _find(self, module: str) -> Found | None:
        package, _, name = module.rpartition(".")
        if not package:
            return self._find_top(name)
        parent = self.find(package)
        if parent is None:
            return None
        if parent.origin is ModuleOrigin.STANDARD_LIBRARY:
            return self._find_standard(module)
        if parent.origin in (ModuleOrigin.FILES, ModuleOrigin.OUTSIDE):
            return self._search(parent.folders, name) or self._find_namespace(parent.folders, name)
        return parent

    def _find_top(self, name: str) -> Found | None:
        if is_always_loaded(name):
            return Found(ModuleOrigin.STANDARD_LIBRARY)
        roots = self._environment.roots
        found = self._search(roots, name) or self._find_without_file(name) or self._find_namespace(roots, name)
        if found is None and name in _STAND_INS and self._search(roots, _STAND_INS[name]):
            return Found(ModuleOrigin.STAND_IN, certain=False)
        return found

    def _search(self, folders: Iterable[str], name: str) -> Found | None:
        """Search a regular package or a module, as importlib's FileFinder does: in each folder the package first."""
        for folder in folders:
            base = f"{folder}{name}"
            for suffix in self._environment.suffixes:
                path = f"{base}/__init__{suffix}"
                if self._has(path):
                    return Found(self._origin(path), path, (f"{base}/",))
            for suffix in self._environment.suffixes:
                path = f"{base}{suffix}"
                if self._has(path):
                    return Found(self._origin(path), path)
        return None

    def _find_namespace(self, folders: Iterable[str], name: str) -> Found | None:
        portions = tuple(f"{folder}{name}/" for folder in folders if self._is_folder(f"{folder}{name}/"))
        if not portions:
            return None
        inside = any(path.startswith(portions[0]) for path in self._paths)
        return Found(ModuleOrigin.FILES if inside else ModuleOrigin.OUTSIDE, folders=portions)

    def _find_without_file(self, name: str) -> Found | None:
        certain = self._environment.preinstalled.get(name)
        if certain or (certain is False and name not in self._environment.provided):
            return Found(ModuleOrigin.PREINSTALLED, certain=certain)
        return self._find_standard(name)

    def _find_standard(self, module: str) -> Found | None:
        presence = standard_presence(module, self._version)
        if presence in (None, ModulePresence.ELSEWHERE):
            return None
        return Found(ModuleOrigin.STANDARD_LIBRARY, certain=presence is ModulePresence.THERE)

    def _find_provided(self, module: str) -> Found | None:
        names = self._environment.provided
        if any(module == name or module.startswith(f"{name}.") or name.startswith(f"{module}.") for name in names):
            return Found(ModuleOrigin.PROVIDED)
        return None

    def _has(self, path: str) -> bool:
        return path in self._paths or path in self._environment.outside

    def _origin(self, path: str) -> ModuleOrigin:
        return ModuleOrigin.FILES if path in self._paths else ModuleOrigin.OUTSIDE

    def _is_folder(self, folder: str) -> bool:
        """Return whether there is a file in a folder, which has a slash at the end."""
        return next(self.files_below(folder), None) is not None

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted((*self._paths, *self._environment.outside))


class Provision:
    """What the module at a path may provide by its `changes`.

    `owns` tells the files of its distribution, and `serves` those that a finder of it may find, such as the app's.

    Example:
        `Provision("app.py", [PathChange(ChangeKind.FOLDER, "lib")], finder, owns, owns).file_of("tiny")` is "lib/tiny.py".
    """

    def __init__(
        self,
        path: str,
        changes: Iterable[PathChange],
        finder: ModuleFinder,
        owns: Callable[[str], bool],
        serves: Callable[[str], bool],
    ) -> None:
        self._path, self._changes, self._finder = path, tuple(changes), finder
        self._owns, self._serves = owns, serves

    def file_of(self, module: str) -> str | None:
        """Return a file of the package that would be this module, or in it."""
        for kind, name in self._changes:
            found: str | None = None
            if kind is ChangeKind.FOLDER:
                found = self._file_in(self._folder(name), module)
            elif kind is not ChangeKind.MODULE:
                # What a distribution computes is about its own files.
                counts = self._owns if kind is ChangeKind.COMPUTED else self._serves
                found = self._finder.find_elsewhere(module, counts)
            if found is not None:
                return found
        return None

    def _file_in(self, folder: str | None, module: str) -> str | None:
        """Return a file in a folder that is on the path of Python, or on that of the package which adds it."""
        if folder is None:
            return None
        top = module.partition(".")[0]
        below = module.removeprefix(f"{self._name}.").partition(".")[0]
        return next(filter(None, (self._finder.find_in(folder, name) for name in dict.fromkeys((top, below)))), None)

    def may_make(self, module: str) -> bool:
        """Return whether a module may be there without a file of the package."""
        return any(self._may_make(change, module) for change in self._changes)

    def names(self, module: str) -> bool:
        """Return whether the source names a module, or one around it, that it puts into `sys.modules`."""
        return any(kind is ChangeKind.MODULE and self._matches(name, module) for kind, name in self._changes)

    def _may_make(self, change: PathChange, module: str) -> bool:
        match change.kind:
            case ChangeKind.MODULE:
                return self._matches(change.name, module)
            case ChangeKind.FOLDER:
                return self._folder(change.name) is None
        return True

    @property
    def _name(self) -> str:
        return self._path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def _folder(self, name: str) -> str | None:
        """Return a folder in the package, with a slash at the end unless it is the package itself; None for one outside."""
        folder = posixpath.normpath(posixpath.join(_TASK_ROOT, posixpath.dirname(self._path), name))
        if folder == _TASK_ROOT:
            return ""
        return f"{folder.removeprefix(f'{_TASK_ROOT}/')}/" if folder.startswith(f"{_TASK_ROOT}/") else None

    def _matches(self, name: str, module: str) -> bool:
        full = f"{self._name}{name}" if name.startswith(".") else name
        if full.endswith("*"):
            beginning = full[:-1]
            return module.startswith(beginning) or beginning.startswith(f"{module}.")
        return f"{module}.".startswith(f"{full}.") or full.startswith(f"{module}.")
