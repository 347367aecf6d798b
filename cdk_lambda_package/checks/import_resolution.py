"""An import statement of one of the user's modules: what it imports, and what of that isn't there. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.own_modules import OwnModules, find_absolute_name
from cdk_lambda_package.modules.facts import STAR, ImportStatement, Kind
from cdk_lambda_package.modules.index import ModuleIndex, Origin
from cdk_lambda_package.modules.standard_names import find_absence


class Reason(enum.Enum):
    """Why something can't be imported, or may not."""

    NO_MODULE = "no module"
    NO_NAME = "no name"
    NO_PARENT = "no parent package"
    """A relative import that leads out of the top-level package, or stands in a module without one."""
    UNCERTAIN = "uncertain"
    """Lambda may have the module, or not."""


class Lack(NamedTuple):
    """Something that a statement asks for in vain: `module` by its full name, or the `name` that it doesn't bind.

    `wanted` is what the statement would have, of which `module` may be only the first part that isn't there.
    """

    reason: Reason
    module: str
    name: str | None = None
    wanted: str = ""


class Resolved(NamedTuple):
    """What a statement comes to: what isn't there, and the paths of the user's modules that it runs, in order."""

    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]


class _Chain(NamedTuple):
    """What importing a module comes to: the user's modules on the way, and the first that isn't there, or may not be."""

    paths: tuple[str, ...]
    missing: str | None
    uncertain: str | None


class Resolver:
    """Looks for what statements import."""

    def __init__(self, contents: PackageContents, index: ModuleIndex) -> None:
        self._contents = contents
        self._index = index
        self._own = OwnModules(contents, index)
        self._chains: dict[str, _Chain] = {}

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        """Look for everything that a statement in the module at `path` imports."""
        module = find_absolute_name(path, statement)
        if module is None:
            dotted = f"{'.' * statement.level}{statement.module}"
            return Resolved((Lack(Reason.NO_PARENT, dotted),), ())
        chain = self._follow_chain(module)
        if chain.missing is not None:
            first = statement.names[:1] if statement.names != STAR else ()
            lack = Lack(Reason.NO_MODULE, chain.missing, wanted=".".join((module, *first)))
            return Resolved((lack,), chain.paths)
        lacks = [Lack(Reason.UNCERTAIN, chain.uncertain)] if chain.uncertain is not None else []
        reaches = dict.fromkeys(chain.paths)
        for name in self._list_names(module, statement):
            found = self._follow_name(path, statement, f"{module}.{name}", lacks)
            reaches |= dict.fromkeys(found)
        return Resolved(tuple(lacks), tuple(reaches))

    def _follow_chain(self, module: str) -> _Chain:
        """Import each package on the way to a module, and the module."""
        if module not in self._chains:
            package = module.rpartition(".")[0]
            before = self._follow_chain(package) if package else _Chain((), None, None)
            self._chains[module] = before if before.missing is not None else self._add_to_chain(before, module)
        return self._chains[module]

    def _add_to_chain(self, chain: _Chain, module: str) -> _Chain:
        found = self._index.find(module)
        if found is None:
            return chain._replace(missing=module)
        path = self._own.find_path(found)
        paths = chain.paths if path is None else (*chain.paths, path)
        return _Chain(paths, None, chain.uncertain or (None if found.certain else module))

    def _list_names(self, module: str, statement: ImportStatement) -> Iterable[str]:
        if statement.names != STAR:
            return statement.names
        # A star import imports what __all__ names, submodules too.
        path = self._own.find_path(self._index.find(module))
        return (self._own.read(path).exported or ()) if path else ()

    def _follow_name(self, path: str, statement: ImportStatement, full_name: str, lacks: list[Lack]) -> Iterator[str]:
        """Yield the submodule that `from module import name` imports, unless the module binds the name itself."""
        module, _, name = full_name.rpartition(".")
        package = self._index.find(module)
        target = self._own.find_path(package)
        if target and self._binds(target, name, path, statement):
            return
        submodule = self._index.find(full_name)
        if submodule is not None:
            found = self._own.find_path(submodule)
            if found:
                yield found
        elif package is not None and package.is_namespace:
            lacks.append(Lack(Reason.NO_MODULE, full_name, wanted=full_name))
        elif package is not None and package.origin is Origin.STANDARD_LIBRARY:
            if find_absence(module, name, self._contents.target.runtime.version):
                lacks.append(Lack(Reason.NO_NAME, module, name))
        elif target and self._contents.is_app(path) and self._own.read_names(target).complete:
            lacks.append(Lack(Reason.NO_NAME, module, name))

    def _binds(self, target: str, name: str, path: str, statement: ImportStatement) -> bool:
        if not self._own.read_names(target).has(name):
            return False
        # `from . import name` in a package binds the name, but only after it found what to bind.
        binding = self._own.find_binding(target, name) if target == path else None
        return binding is None or binding.kind is not Kind.IMPORTED or binding.first != statement.line
