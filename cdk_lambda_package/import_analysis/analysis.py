"""The effects of imports in a set of Python files, determined without running them: the interface of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import (
    STAR,
    Binding,
    GroupFacts,
    ImportStatement,
    ModuleFacts,
    NameKind,
    SourceFile,
    SourceMemory,
    TextFault,
)
from cdk_lambda_package.import_analysis.finder import Environment, Found, ModuleFinder, ModuleOrigin
from cdk_lambda_package.import_analysis.graph import ImportGraph, Lack, Reason, Resolved, trace
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.syntax import syntax_faults
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion, absence_of

# Attributes of every module (https://docs.python.org/3/reference/datamodel.html#modules).
_MODULE_ATTRIBUTES = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__dict__", "__doc__", "__file__", "__loader__"),
        *("__name__", "__package__", "__path__", "__spec__"),
    }
)


class Names(NamedTuple):
    """The names that a module binds, with those of its star imports. Not `complete` if it may bind others.

    Example:
        `Names(frozenset({"handler"}), complete=True)` for a module with a handler and nothing else.
    """

    names: frozenset[str]
    complete: bool

    def has(self, name: str) -> bool:
        """Return whether a module certainly has this name."""
        return name in self.names or name in _MODULE_ATTRIBUTES


class ImportAnalysis:
    """Says what imports of a set of files would do for a Python and its environment.

    Example:
        ```python
        sources = {"app.py": SourceFile(digest=sha256, group="app")}
        environment = Environment(python=(3, 13))
        analysis = ImportAnalysis(sources, read=lambda path: b"import yaml", environment=environment)
        analysis.graph("app.py").steps["app.py"][0].lacks[0].module  # "yaml"
        ```
    """

    def __init__(
        self,
        sources: Mapping[str, SourceFile],
        read: Callable[[str], bytes],
        environment: Environment,
        *,
        paths: Collection[str] | None = None,
        store: Store | None = None,
    ) -> None:
        """Analyse `sources`, by path; `read` returns the content of a path.

        `paths` are the paths of all files, extension modules and data among them; by default those of `sources`. Facts
        are remembered in the `store`, once `save` is called.
        """
        self.finder = ModuleFinder(sources if paths is None else paths, environment)
        self._sources, self._read, self._python = sources, read, environment.python
        self._memory = SourceMemory(GroupFacts, sources, environment.python, store)
        self._names: dict[str, Names] = {}
        self._graphs: dict[tuple[str, ...], ImportGraph] = {}

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says; nothing for the path "", that of no module."""
        if not path:
            return ModuleFacts()
        known, digest = self._memory.values_near(path), self._sources[path].digest
        if digest not in known:
            known[digest] = read_module(self._read(path), self._python)
        return known[digest]

    def save(self) -> None:
        """Remember the facts that were read."""
        self._memory.save()

    def syntax_faults(
        self, paths: Iterable[str], versions: Sequence[PythonVersion], store: Store
    ) -> dict[str, TextFault]:
        """Return the first fault of each source at `paths` that can't be compiled, by its path; see `syntax`.

        The first of `versions` counts, and the others replace it if the parser doesn't know it. Raises `CheckError`.
        """
        return syntax_faults(self._sources, self._read, versions, store, asked=paths)

    def graph(self, *paths: str) -> ImportGraph:
        """Return what runs when the modules at `paths` are imported one after the other; worked out once."""
        if paths not in self._graphs:
            self._graphs[paths] = trace(paths, self._sources, self.facts, self.resolve)
        return self._graphs[paths]

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if its source can be read."""
        return self._followed(self.finder.find(module))

    def _followed(self, found: Found | None) -> str | None:
        return found.path if found is not None and found.path in self._sources else None

    # Names

    def names(self, path: str) -> Names:
        """Return the names of the module at `path`; star imports are followed into modules that can be read."""
        if path not in self._names:
            self._names[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            facts = self.facts(path)
            parts = [Names(frozenset(facts.names), not facts.opaque)]
            parts += [self._names_of_star(path, one) for one in facts.imports if one.names == STAR]
            names = frozenset[str]().union(*(part.names for part in parts))
            self._names[path] = Names(names, all(part.complete for part in parts))
        return self._names[path]

    def _names_of_star(self, path: str, statement: ImportStatement) -> Names:
        """Return what a star import binds: `__all__`, else all names without an underscore in front."""
        module = self.absolute_name(path, statement)
        target = self.path_of(module) if module else None
        if target is None:
            return Names(frozenset(), complete=False)
        exported = self.facts(target).exported
        if exported is not None:
            return Names(frozenset(exported), complete=True)
        names, complete = self.names(target)
        return Names(frozenset(name for name in names if not name.startswith("_")), complete)

    def kind_of(self, path: str, binding: Binding) -> NameKind:
        """Return what a name of the module at `path` is in the end, followed through the modules that it comes from."""
        seen = set()
        while binding.kind is NameKind.IMPORTED:
            seen.add((path, binding.name))
            source = self._source_of(path, binding)
            if source is None or isinstance(source, NameKind):
                return source or NameKind.OTHER
            path, binding = source
            if (path, binding.name) in seen:
                return NameKind.OTHER
        return binding.kind

    def _source_of(self, path: str, binding: Binding) -> tuple[str, Binding] | NameKind | None:
        """Return the path and binding that an imported name comes from, or that it is a module itself."""
        imports = self.facts(path).imports
        found = [(one, binding.name) for one in imports if one.certain and binding.name in one.names]
        # With `as`: facts don't say which name has which alias, so it must be the only one.
        found = found or [(one, one.names[0]) for one in imports if one.line == binding.line and len(one.names) == 1]
        module = self.absolute_name(path, found[0][0]) if len(found) == 1 else None
        if module is None:
            return None
        name, source = found[0][1], self.path_of(module)
        bound = self.facts(source).binding(name) if source is not None else None
        if source is not None and bound is not None:
            return source, bound
        return NameKind.MODULE if self.path_of(f"{module}.{name}") is not None else None

    # Statements

    def absolute_name(self, path: str, statement: ImportStatement) -> str | None:
        """Return the full name of the module that a statement imports; the module at `path` may be in a layer.

        None if it leads nowhere.
        """
        return absolute_name(self.finder.below_root(path), statement) if statement.level else statement.module

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        """Return what a statement in the module at `path` comes to."""
        module = self.absolute_name(path, statement)
        if module is None:
            dotted = f"{'.' * statement.level}{statement.module}"
            return Resolved((Lack(Reason.NO_PARENT, dotted),), ())
        reaches, lack = self._import_packages(module)
        if lack is not None and lack.reason is Reason.NO_MODULE:
            first = statement.names[:1] if statement.names != STAR else ()
            return Resolved((lack._replace(wanted=".".join((module, *first))),), tuple(reaches))
        lacks = [lack] if lack is not None else []
        for name in self._imported_names(module, statement):
            found = self._import_name(path, statement, module, name)
            if isinstance(found, Lack):
                lacks.append(found)
            elif found is not None:
                reaches[found] = None
        return Resolved(tuple(lacks), tuple(reaches))

    def _imported_names(self, module: str, statement: ImportStatement) -> Iterable[str]:
        if statement.names != STAR:
            return statement.names
        # A star import imports what __all__ names, submodules too.
        target = self.path_of(module)
        return (self.facts(target).exported or ()) if target else ()

    def _import_packages(self, module: str) -> tuple[dict[str, None], Lack | None]:
        """Import each package on the way to a module, and the module: the followed paths, and what may be missing."""
        paths: dict[str, None] = {}
        uncertain: Lack | None = None
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            found = self.finder.find(name)
            if found is None:
                return paths, Lack(Reason.NO_MODULE, name)
            if path := self._followed(found):
                paths[path] = None
            if not found.certain and uncertain is None:
                uncertain = Lack(Reason.UNCERTAIN, name)
        return paths, uncertain

    def _import_name(self, path: str, statement: ImportStatement, module: str, name: str) -> str | Lack | None:
        """Return the submodule that `from module import name` runs, or what it lacks; None if the module has the name."""
        package, target = self.finder.find(module), self.path_of(module)
        if package is None or (target and self._binds(target, name, path, statement)):
            return None
        submodule = self.finder.find(f"{module}.{name}")
        if submodule is not None:
            return self._followed(submodule)
        if package.is_namespace:
            return Lack(Reason.NO_MODULE, f"{module}.{name}", wanted=f"{module}.{name}")
        if package.origin is ModuleOrigin.STANDARD_LIBRARY:
            missing = absence_of(module, name, self._python) is not None
        else:
            missing = target is not None and self._sources[path].own and self.names(target).complete
        return Lack(Reason.NO_NAME, module, name) if missing else None

    def _binds(self, target: str, name: str, path: str, statement: ImportStatement) -> bool:
        if not self.names(target).has(name):
            return False
        # `from . import name` in a package binds the name, but only after the import has succeeded.
        binding = self.facts(target).binding(name) if target == path else None
        return binding is None or binding.kind is not NameKind.IMPORTED or binding.first != statement.line


def absolute_name(path: str, statement: ImportStatement) -> str | None:
    """Return the full name of the module that a statement in the module at `path` imports (PEP 328).

    None if it leads nowhere: relative imports start from the package around the module.
    """
    if not statement.level:
        return statement.module
    parts = path.split("/")[:-1]
    kept = parts[: len(parts) - statement.level + 1]
    if statement.level > len(parts):
        return None
    return ".".join([*kept, statement.module] if statement.module else kept)
