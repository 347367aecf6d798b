"""The user's own modules: which files they are, and the names that can be imported from them. Pure."""

from __future__ import annotations

from typing import NamedTuple

from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.modules.facts import STAR, Binding, ImportStatement, ModuleFacts
from cdk_lambda_package.modules.index import Found, ModuleIndex

# What every module has besides what its source binds (https://docs.python.org/3/reference/datamodel.html#modules).
_MODULE_ATTRIBUTES = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__dict__", "__doc__", "__file__", "__loader__"),
        *("__name__", "__package__", "__path__", "__spec__"),
    }
)


class Names(NamedTuple):
    """The names that a module binds, those of its star imports too; not `complete` if it may bind others."""

    names: frozenset[str]
    complete: bool

    def has(self, name: str) -> bool:
        """Tell whether a module has this name, whatever else it may bind."""
        return name in self.names or name in _MODULE_ATTRIBUTES


class OwnModules:
    """What can be read of modules that are in the package as source, and that the user answers for."""

    def __init__(self, contents: PackageContents, index: ModuleIndex) -> None:
        self._contents = contents
        self._index = index
        self._names: dict[str, Names] = {}
        self._bindings: dict[str, dict[str, Binding]] = {}

    def find_path(self, found: Found | None) -> str | None:
        """Return the path of a module that was found, if it is one of these."""
        path = found.path if found else None
        if path is None or not path.endswith(".py"):
            return None
        entry = self._contents.entries.get(path)
        return path if entry is not None and entry.owner in OWN else None

    def read(self, path: str) -> ModuleFacts:
        """Return a module's facts."""
        return self._contents.module_facts(path)

    def read_names(self, path: str) -> Names:
        """Return a module's names; star imports are followed as far as they lead to modules of the same kind."""
        if path not in self._names:
            self._names[path] = Names(frozenset(), complete=False)  # what a circle of star imports gets to see
            self._names[path] = self._read_names(path)
        return self._names[path]

    def read_exported(self, path: str) -> Names:
        """Return what a star import of a module binds: `__all__`, else all names without an underscore in front."""
        exported = self.read(path).exported
        if exported is not None:
            return Names(frozenset(exported), complete=True)
        names, complete = self.read_names(path)
        return Names(frozenset(name for name in names if not name.startswith("_")), complete)

    def find_binding(self, path: str, name: str) -> Binding | None:
        """Return where a module binds a name itself."""
        if path not in self._bindings:
            # The first of a name is what counts, so it is the last to be put in.
            self._bindings[path] = {binding.name: binding for binding in reversed(self.read(path).bindings)}
        return self._bindings[path].get(name)

    def _read_names(self, path: str) -> Names:
        facts = self.read(path)
        names = {binding.name for binding in facts.bindings}
        stars = [statement for statement in facts.imports if statement.names == STAR]
        complete = not facts.opaque
        for statement in stars:
            passed_on = self._follow_star(path, statement)
            names |= passed_on.names
            complete = complete and passed_on.complete
        return Names(frozenset(names), complete)

    def _follow_star(self, path: str, statement: ImportStatement) -> Names:
        module = find_absolute_name(path, statement)
        target = self.find_path(self._index.find(module)) if module else None
        return self.read_exported(target) if target else Names(frozenset(), complete=False)


def find_absolute_name(path: str, statement: ImportStatement) -> str | None:
    """Return the full name of what a statement in the module at `path` imports (PEP 328).

    None if it leads nowhere: relative imports start from the package around the module.
    """
    if not statement.level:
        return statement.module
    parts = path.split("/")[:-1]
    kept = parts[: len(parts) - statement.level + 1]
    if statement.level > len(parts):
        return None
    return ".".join([*kept, statement.module] if statement.module else kept)
