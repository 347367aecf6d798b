"""What `import` finds on Lambda: in the package, in layers, in the runtime and in the standard library. Pure.

The order is that of Python: what is built in, then the folders of `sys.path` one after the other, which on Lambda are
the task root, those of layers, the runtime's own and the standard library's
(https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html); a namespace package is what is left where none of
them has a module or a regular package (PEP 420).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from cdk_lambda_package.modules.distribution_names import find_modules
from cdk_lambda_package.modules.layers import Layer
from cdk_lambda_package.modules.standard_library import Presence, Version, find_standard, is_always_loaded
from cdk_lambda_package.target import Target, is_preinstalled, is_sometimes_preinstalled

LAYERS = "/opt/"
"""What paths of layers begin with; those in the package are relative to the task root."""

# What another module puts into sys.modules under a name of its own, once it is imported or asked to.
_STAND_INS = {"MySQLdb": "pymysql", "distutils": "setuptools", "psycopg2": "psycopg2cffi"}


class Origin(enum.Enum):
    """Where a module comes from."""

    PACKAGE = "package"
    LAYER = "layer"
    STANDARD_LIBRARY = "standard library"
    RUNTIME = "runtime"
    PROVIDED = "provided"
    STAND_IN = "stand-in"


class Found(NamedTuple):
    """A module that was found: `path` is its file, None for a namespace package and outside of package and layers.

    `folders` is where its submodules are looked for, empty for a module that isn't a package. `certain` is False where
    Lambda may or may not have it.
    """

    origin: Origin
    path: str | None = None
    folders: tuple[str, ...] = ()
    certain: bool = True

    @property
    def is_namespace(self) -> bool:
        """True for a namespace package, which has no names but those of its submodules."""
        return self.path is None and bool(self.folders)


class ModuleIndex:
    """The modules that a target finds; `files` are the package's by path, whatever the values."""

    def __init__(
        self, files: Mapping[str, object], *, target: Target, layers: Iterable[Layer] = (), provided: Iterable[str] = ()
    ) -> None:
        self._files = files
        self._layers = tuple(layers)
        self._version: Version = target.runtime.version
        self._provided = frozenset(module for name in provided for module in find_modules(name))
        self._suffixes = module_suffixes(target)
        self._roots = ("", f"{LAYERS}python/lib/{target.runtime.name}/site-packages/", f"{LAYERS}python/")
        self._found: dict[str, Found | None] = {}

    def find(self, module: str) -> Found | None:
        """Return what `import` finds under a dotted name; None if there is nothing."""
        if module not in self._found:
            self._found[module] = self._find(module) or self._find_provided(module)
        return self._found[module]

    def search_package(self, name: str) -> Found | None:
        """Return the module or regular package at the package's top level, whatever else there is of this name."""
        return self._search(("",), name)

    def find_elsewhere(self, module: str) -> str | None:
        """Return a file of the package that is this module, or in it, if the folder around were searched for modules."""
        tail = f"/{module.replace('.', '/')}"
        ends = (f"{tail}.py", f"{tail}/__init__.py")
        inside = f"{tail}/"
        return next((path for path in self._files if path.endswith(ends) or inside in path), None)

    def find_unusable(self, module: str) -> str | None:
        """Return a file that would be this module for another Python or system, such as name.cpython-39-darwin.so."""
        stem = f"{module.replace('.', '/')}."
        unusable = (path for path in self._files if path.startswith(stem) and path.endswith((".so", ".pyd")))
        return next(unusable, None)

    def list_modules(self, package: str = "") -> tuple[str, ...]:
        """Return the names of the modules and folders in a package, or those at the top level, sorted."""
        folders: tuple[str, ...] = ("",)
        if package:
            found = self.find(package)
            folders = found.folders if found else ()
        return tuple(sorted({name for folder in folders for name in self._list_folder(folder)}))

    def _list_folder(self, folder: str) -> Iterator[str]:
        for path in self._files:
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
        if parent.origin is Origin.STANDARD_LIBRARY:
            return self._find_standard(module)
        if parent.origin in (Origin.PACKAGE, Origin.LAYER):
            return self._search(parent.folders, name) or self._find_namespace(parent.folders, name)
        return parent

    def _find_top(self, name: str) -> Found | None:
        if is_always_loaded(name):
            return Found(Origin.STANDARD_LIBRARY)
        found = self._search(self._roots, name) or self._find_outside(name) or self._find_namespace(self._roots, name)
        if found is None and name in _STAND_INS and self._search(self._roots, _STAND_INS[name]):
            return Found(Origin.STAND_IN, certain=False)
        return found

    def _search(self, folders: Iterable[str], name: str) -> Found | None:
        """Look for a regular package or a module, as importlib's FileFinder does: in each folder the package first."""
        for folder in folders:
            base = f"{folder}{name}"
            for suffix in self._suffixes:
                path = f"{base}/__init__{suffix}"
                if self._has(path):
                    return Found(_origin(path), path, (f"{base}/",))
            for suffix in self._suffixes:
                path = f"{base}{suffix}"
                if self._has(path):
                    return Found(_origin(path), path)
        return None

    def _find_namespace(self, folders: Iterable[str], name: str) -> Found | None:
        portions = tuple(f"{folder}{name}/" for folder in folders if f"{folder}{name}" in self._folders)
        return Found(_origin(portions[0]), folders=portions) if portions else None

    def _find_outside(self, name: str) -> Found | None:
        if is_preinstalled(name):
            return Found(Origin.RUNTIME)
        if is_sometimes_preinstalled(name, self._version) and name not in self._provided:
            return Found(Origin.RUNTIME, certain=False)
        return self._find_standard(name)

    def _find_standard(self, module: str) -> Found | None:
        presence = find_standard(module, self._version)
        if presence in (None, Presence.ELSEWHERE):
            return None
        return Found(Origin.STANDARD_LIBRARY, certain=presence is Presence.THERE)

    def _find_provided(self, module: str) -> Found | None:
        names = self._provided
        if any(module == name or module.startswith(f"{name}.") or name.startswith(f"{module}.") for name in names):
            return Found(Origin.PROVIDED)
        return None

    def _has(self, path: str) -> bool:
        return path in self._layer_files if path.startswith(LAYERS) else path in self._files

    @cached_property
    def _layer_files(self) -> frozenset[str]:
        return frozenset(f"{LAYERS}{path}" for layer in self._layers for path in layer.files)

    @cached_property
    def _folders(self) -> frozenset[str]:
        folders: set[str] = set()
        for path in (*self._files, *self._layer_files):
            folder = path.rpartition("/")[0]
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        return frozenset(folders)


def module_suffixes(target: Target) -> tuple[str, ...]:
    """Return what file names of modules end in, in the order in which the target looks for them.

    That is `importlib.machinery.EXTENSION_SUFFIXES`, `SOURCE_SUFFIXES` and `BYTECODE_SUFFIXES` there (PEP 3149, PEP 384).
    """
    major, minor = target.runtime.version
    platform = f"{target.architecture.machine}-linux-gnu"
    return (f".cpython-{major}{minor}-{platform}.so", ".abi3.so", ".so", ".py", ".pyc")


def _origin(path: str) -> Origin:
    return Origin.LAYER if path.startswith(LAYERS) else Origin.PACKAGE
