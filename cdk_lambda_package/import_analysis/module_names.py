"""Which names a module has, and what they are in the end: by its source, by star imports, and by code that binds names in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import ANY_MODULE, STAR, Binding, ImportStatement, NameKind
from cdk_lambda_package.import_analysis.graph import packages_around
from cdk_lambda_package.import_analysis.modules import Modules, modules_of

# Attributes of every module (https://docs.python.org/3/reference/datamodel.html#modules).
_MODULE_ATTRIBUTES = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__dict__", "__doc__", "__file__", "__loader__"),
        *("__name__", "__package__", "__path__", "__spec__"),
        # Of classes and functions; generated SDKs (openai, anthropic) set it on all that they export, modules too.
        "__module__",
        # Of every object.
        *dir(object),
    }
)


# What a decorator was applied to; a decorated class is an object of any kind.
_DECORATED = frozenset({NameKind.DECORATED, NameKind.OTHER, NameKind.VIEW})


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


class ModuleNames:
    """Lists the names of modules, by path. `filled` are the modules, by full names, that extension modules may put names into.

    Example:
        `ModuleNames(modules).names("lib/fields.py").has("Field")`
    """

    def __init__(self, modules: Modules, filled: Collection[str] = ()) -> None:
        self._modules, self._filled = modules, frozenset(filled)
        self._listed: dict[str, Names] = {}
        self._names: dict[str, Names] = {}
        self._given: dict[str, tuple[set[str], set[str]]] = {}

    def names(self, path: str) -> Names:
        """Return the names of the module at `path`; star imports are followed into modules that can be read.

        Names that modules of the same top-level package bind in it count.
        """
        if path not in self._names:
            listed = self.listed(path)
            self._names[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            parts = [listed, *(self._names_from_outside(path) if listed.complete else ())]
            self._names[path] = _joined(parts)
        return self._names[path]

    def listed(self, path: str) -> Names:
        """Return the names that the source of a module lists, and those of its star imports."""
        if path not in self._listed:
            self._listed[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            facts = self._modules.facts(path)
            own = frozenset((*facts.names, *(lazy.name for lazy in facts.lazy)))
            parts = [Names(own, not facts.opaque and self._modules.full_name(path) not in self._filled)]
            parts += [self._names_of_answerer(path, facts.answerer)] if facts.answerer else []
            parts += [self._star_names(path, one) for one in facts.imports if one.names == STAR]
            self._listed[path] = _joined(parts)
        return self._listed[path]

    def _names_of_answerer(self, path: str, answerer: str) -> Names:
        """Return the names that a module's `__getattr__` has an answer to, if that function of another module made it."""
        module = self._modules.full_name(path)
        owner, _, function = answerer.rpartition(".")
        # The last dot of ".make" is one of a relative import.
        written = f"{owner}." if answerer.startswith(".") and not owner.lstrip(".") else owner
        source = self._modules.path_of(self._modules.named(path, written) or "")
        made = (
            [one for one in self._modules.facts(source).factories if one.name == function] if source is not None else []
        )
        if len(made) != 1:
            return Names(frozenset(), complete=False)
        before = f"{module}{made[0].separator}"
        return Names(
            frozenset(key.removeprefix(before) for key in made[0].keys if key.startswith(before)), complete=True
        )

    def _names_from_outside(self, path: str) -> Iterator[Names]:
        """Yield the names that a module gets from functions that it imports, and from other modules of its package."""
        for statement in self._modules.facts(path).imports:
            source = self._modules.module_of(path, statement) if statement.names == STAR else None
            if source is not None and self._modules.facts(source).exported is None:
                passed_on, complete = self.names(source)
                if self._modules.facts(source).binding("__all__") is None:
                    passed_on = frozenset(name for name in passed_on if not name.startswith("_"))
                yield Names(passed_on, complete)
            if statement.certain or statement.if_missing:
                met = any(self._is_meddler(path, statement, name) for name in statement.names)
                yield Names(frozenset(), complete=not met and not self._has_used_meddler(path, statement))
        given = self._given_near(path)
        full = self._modules.full_name(path)
        owners = (full, full.rpartition(".")[2], ANY_MODULE)
        names = [name for owner, _, name in (one.rpartition(".") for one in given) if owner in owners]
        yield Names(frozenset(names), complete="*" not in names)

    def _given_near(self, path: str) -> set[str]:
        """Return the names that a module, and what it leads to in its top-level package, bind in other modules."""
        top = path.partition("/")[0]
        seen, given = self._given.setdefault(top, (set(), set()))
        pending = [*packages_around(path, self._modules.sources), path]
        while pending:
            one = pending.pop()
            if one in seen or one.partition("/")[0] != top:
                continue
            seen.add(one)
            facts = self._modules.facts(one)
            given.update(self.given_by(one))
            for statement in facts.imports:
                module = self._modules.absolute_name(one, statement)
                pending += filter(None, map(self._modules.path_of, modules_of(module, statement)))
        return given

    def given_by(self, path: str) -> Iterator[str]:
        """Yield the names that a module assigns to others, and any name of those that other code gets whole, by their full names."""
        facts = self._modules.facts(path)
        yield from facts.given
        for name in facts.passed:
            module = self._modules.named(path, name)
            if module and self._modules.path_of(module) is not None:
                yield f"{module}.*"

    def _has_used_meddler(self, path: str, statement: ImportStatement) -> bool:
        """Return whether a statement imports a module of whose functions one that may bind names is called by `module.function()`."""
        module = self._modules.absolute_name(path, statement)
        called = {use.rpartition(".")[2] for use in self._modules.facts(path).uses if use.endswith("()")}
        targets = filter(None, map(self._modules.path_of, modules_of(module, statement)))
        return bool(called) and any(
            f"{name}()" in called for one in targets for name in self._modules.facts(one).meddlers
        )

    def _is_meddler(self, path: str, statement: ImportStatement, name: str) -> bool:
        """Return whether a statement imports a function that may bind names in the module that uses it."""
        seen: set[tuple[str, str]] = set()
        while (source := self._modules.module_of(path, statement)) is not None and (source, name) not in seen:
            seen.add((source, name))
            facts = self._modules.facts(source)
            if name in facts.meddlers:
                return True
            found = [one for one in facts.imports if name in one.names] or [
                one for one in facts.imports if one.names == STAR
            ]
            if not found:
                return False
            path, statement = source, found[0]
        return False

    def _star_names(self, path: str, statement: ImportStatement) -> Names:
        """Return what a star import binds: `__all__`, else all names without an underscore in front."""
        module = self._modules.absolute_name(path, statement)
        target = self._modules.path_of(module) if module else None
        if module is None or target is None:
            return Names(frozenset(), complete=False)
        facts = self._modules.facts(target)
        if facts.exported is not None:
            # A decorator may add what it decorates.
            added = (binding.name for binding in facts.bindings if binding.kind in _DECORATED)
            # What is asked for the names of one module is asked for those of the other, too.
            return Names(frozenset((*facts.exported, *added)), complete="__getattr__" not in facts.exported)
        names, complete = self.listed(target)
        if facts.binding("__all__") is None:
            names = frozenset(name for name in names if not name.startswith("_"))
        # Submodules are attributes of their package once anything has imported them.
        return Names(names | self._modules.finder.submodules(module), complete)

    def kind_of(self, path: str, binding: Binding) -> NameKind:
        """Return what a name of the module at `path` is in the end, followed through the modules that it comes from."""
        seen = set()
        while binding.kind is NameKind.IMPORTED:
            seen.add((path, binding.name))
            source = self.source_of(path, binding)
            if source is None or isinstance(source, NameKind):
                return source or NameKind.OTHER
            path, binding = source
            if (path, binding.name) in seen:
                return NameKind.OTHER
        return binding.kind

    def source_of(self, path: str, binding: Binding) -> tuple[str, Binding] | NameKind | None:
        """Return the path and binding that an imported name comes from, or that it is a module itself."""
        imports = self._modules.facts(path).imports
        found = [(one, binding.name) for one in imports if one.certain and not one.read and binding.name in one.names]
        # With `as`: facts don't say which name has which alias, so it must be the only one.
        found = found or [(one, one.names[0]) for one in imports if one.line == binding.line and len(one.names) == 1]
        module = self._modules.absolute_name(path, found[0][0]) if len(found) == 1 else None
        if module is None:
            return None
        name, source = found[0][1], self._modules.path_of(module)
        bound = self._modules.facts(source).binding(name) if source is not None else None
        if source is not None and bound is not None:
            return source, bound
        return NameKind.MODULE if self._modules.path_of(f"{module}.{name}") is not None else None

    def certainly_lacks(self, target: str, name: str) -> bool:
        """Return whether a module lacks a name that it doesn't bind itself before it is asked for."""
        listed = self.listed(target)
        if not listed.complete:
            return False
        names, complete = self.names(target)  # more modules are read for these
        return complete and name not in names - listed.names

    def binds(self, target: str, name: str, path: str, statement: ImportStatement) -> bool:
        """Return whether the module at `target` has a name when a statement of the module at `path` asks for it."""
        if self._modules.facts(target).binding(name) is None and not self.listed(target).has(name):
            return False
        # `from . import name` in a package binds the name, but only after the import has succeeded.
        binding = self._modules.facts(target).binding(name) if target == path else None
        return binding is None or binding.first != statement.line


def _joined(parts: Iterable[Names]) -> Names:
    parts = tuple(parts)
    return Names(frozenset[str]().union(*(part.names for part in parts)), all(part.complete for part in parts))
