"""The effects of imports: the files that a statement runs, the modules that it misses, and everything that runs after a module.

Statements are followed in the order in which Python executes them, so that a fallback counts only if the import that it
replaces fails, also if it fails inside of another module.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import STAR, Binding, ImportStatement, ModuleFacts, NameKind, SourceFile
from cdk_lambda_package.import_analysis.finder import Found, ModuleFinder, ModuleOrigin
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


class Reason(enum.Enum):
    """Why something can't be imported, or may not.

    Example:
        `Reason.NO_MODULE` for `import yaml` without PyYAML.
    """

    NO_MODULE = "no module"
    NO_NAME = "no name"
    NO_PARENT = "no parent package"
    """A relative import leads out of the top-level package, or is in a module without a package."""
    UNCERTAIN = "uncertain"
    """The module may be there or not."""


class Lack(NamedTuple):
    """Something that a statement asks for and doesn't get: `module` by its full name, or a `name` in it.

    `wanted` is what the statement asks for; `module` may be only its first part that is missing.

    Example:
        `Lack(Reason.NO_NAME, "collections", "Mapping")`
    """

    reason: Reason
    module: str
    name: str | None = None
    wanted: str = ""


class Resolved(NamedTuple):
    """The effect of a statement: the missing modules, and the paths of the followed modules that it runs, in order."""

    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]


class _Chain(NamedTuple):
    """The effect of importing a module: the followed modules on the way, and the first missing or uncertain one."""

    paths: tuple[str, ...]
    missing: str | None
    uncertain: str | None


class Resolver:
    """Resolves import statements of the followed files among `sources`, and reads the names of their modules."""

    def __init__(
        self,
        sources: Mapping[str, SourceFile],
        facts: Callable[[str], ModuleFacts],
        finder: ModuleFinder,
        python: PythonVersion,
    ) -> None:
        self._sources, self._facts, self._finder, self._python = sources, facts, finder, python
        self._names: dict[str, Names] = {}
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._chains: dict[str, _Chain] = {}

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if it is one of the followed files."""
        return self._followed(self._finder.find(module))

    def names_of(self, path: str) -> Names:
        """Return a module's names; star imports are followed into modules that can be read."""
        if path not in self._names:
            self._names[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            self._names[path] = self._read_names(path)
        return self._names[path]

    def binding_of(self, path: str, name: str) -> Binding | None:
        """Return where a module binds a name itself."""
        if path not in self._bindings:
            # The first binding of a name counts, so it is added last.
            self._bindings[path] = {binding.name: binding for binding in reversed(self._facts(path).bindings)}
        return self._bindings[path].get(name)

    def kind_of(self, path: str, binding: Binding) -> NameKind:
        """Return what a name of the module at `path` is in the end, followed through modules that can be read."""
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
        imports = self._facts(path).imports
        found = [(one, binding.name) for one in imports if one.certain and binding.name in one.names]
        # With `as`: facts don't say which name has which alias, so it must be the only one.
        found = found or [(one, one.names[0]) for one in imports if one.line == binding.line and len(one.names) == 1]
        module = absolute_name(path, found[0][0]) if len(found) == 1 else None
        if module is None:
            return None
        name, source = found[0][1], self.path_of(module)
        bound = self.binding_of(source, name) if source is not None else None
        if source is not None and bound is not None:
            return source, bound
        return NameKind.MODULE if self.path_of(f"{module}.{name}") is not None else None

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        """Return what a statement in the module at `path` comes to."""
        module = absolute_name(path, statement)
        if module is None:
            dotted = f"{'.' * statement.level}{statement.module}"
            return Resolved((Lack(Reason.NO_PARENT, dotted),), ())
        chain = self._follow_chain(module)
        if chain.missing is not None:
            first = statement.names[:1] if statement.names != STAR else ()
            lack = Lack(Reason.NO_MODULE, chain.missing, wanted=".".join((module, *first)))
            return Resolved((lack,), chain.paths)
        if not statement.names:
            lacks = () if chain.uncertain is None else (Lack(Reason.UNCERTAIN, chain.uncertain),)
            return Resolved(lacks, chain.paths)
        return self._resolve_names(path, statement, module, chain)

    def _resolve_names(self, path: str, statement: ImportStatement, module: str, chain: _Chain) -> Resolved:
        lacks = [Lack(Reason.UNCERTAIN, chain.uncertain)] if chain.uncertain is not None else []
        reaches = dict.fromkeys(chain.paths)
        names: Iterable[str] = statement.names
        if statement.names == STAR:
            # A star import imports what __all__ names, submodules too.
            target = self.path_of(module)
            names = (self._facts(target).exported or ()) if target else ()
        for name in names:
            found = self._follow_name(path, statement, f"{module}.{name}", lacks)
            reaches |= dict.fromkeys(found)
        return Resolved(tuple(lacks), tuple(reaches))

    def _followed(self, found: Found | None) -> str | None:
        source = self._sources.get(found.path) if found is not None and found.path is not None else None
        return found.path if found is not None and source is not None and source.followed else None

    def _read_names(self, path: str) -> Names:
        facts = self._facts(path)
        names, complete = {binding.name for binding in facts.bindings}, not facts.opaque
        for statement in facts.imports:
            if statement.names == STAR:
                passed_on = self._follow_star(path, statement)
                names |= passed_on.names
                complete = complete and passed_on.complete
        return Names(frozenset(names), complete)

    def _follow_star(self, path: str, statement: ImportStatement) -> Names:
        """Return what a star import binds: `__all__`, else all names without an underscore in front."""
        module = absolute_name(path, statement)
        target = self.path_of(module) if module else None
        if target is None:
            return Names(frozenset(), complete=False)
        exported = self._facts(target).exported
        if exported is not None:
            return Names(frozenset(exported), complete=True)
        names, complete = self.names_of(target)
        return Names(frozenset(name for name in names if not name.startswith("_")), complete)

    def _follow_chain(self, module: str) -> _Chain:
        """Import each package on the way to a module, and the module."""
        if module not in self._chains:
            package = module.rpartition(".")[0]
            before = self._follow_chain(package) if package else _Chain((), None, None)
            self._chains[module] = before if before.missing is not None else self._extend_chain(before, module)
        return self._chains[module]

    def _extend_chain(self, chain: _Chain, module: str) -> _Chain:
        found = self._finder.find(module)
        if found is None:
            return chain._replace(missing=module)
        path = self._followed(found)
        paths = chain.paths if path is None else (*chain.paths, path)
        return _Chain(paths, None, chain.uncertain or (None if found.certain else module))

    def _follow_name(self, path: str, statement: ImportStatement, full_name: str, lacks: list[Lack]) -> Iterator[str]:
        """Yield the submodule that `from module import name` imports, unless the module binds the name itself."""
        module, _, name = full_name.rpartition(".")
        package = self._finder.find(module)
        target = self._followed(package)
        if target and self._binds(target, name, path, statement):
            return
        submodule = self._finder.find(full_name)
        if submodule is not None:
            found = self._followed(submodule)
            if found:
                yield found
        elif package is not None and package.is_namespace:
            lacks.append(Lack(Reason.NO_MODULE, full_name, wanted=full_name))
        elif package is not None and package.origin is ModuleOrigin.STANDARD_LIBRARY:
            if absence_of(module, name, self._python):
                lacks.append(Lack(Reason.NO_NAME, module, name))
        elif target and self._sources[path].own and self.names_of(target).complete:
            lacks.append(Lack(Reason.NO_NAME, module, name))

    def _binds(self, target: str, name: str, path: str, statement: ImportStatement) -> bool:
        if not self.names_of(target).has(name):
            return False
        # `from . import name` in a package binds the name, but only after the import has succeeded.
        binding = self.binding_of(target, name) if target == path else None
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


# Python itself gives up on longer chains of imports. The modules beyond are followed from the start again.
_DEEPEST_CHAIN = 150


class Runs(enum.IntEnum):
    """Whether a statement is executed when its module is imported.

    Example:
        `Runs.PERHAPS` for an import in a function.
    """

    NEVER = 0
    PERHAPS = 1
    ALWAYS = 2


class Ends(enum.IntEnum):
    """How an import ends."""

    WELL = 0
    UNKNOWN = 1
    IN_ERROR = 2


class Step(NamedTuple):
    """An import statement in its module: what it asks for that isn't there, and the paths of the modules that it runs.

    Example:
        `graph.steps["app.py"][0].reaches` is `("chalicelib/__init__.py",)` for `import chalicelib`.
    """

    statement: ImportStatement
    runs: Runs
    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]


class ImportGraph(NamedTuple):
    """The followed modules that are reached from a module, by their paths.

    Attributes:
        steps: The import statements of each module, in the order of the first visit.
        changers: The modules that change where Python finds modules, in the same order.
        certain: The modules that run whenever the first one is imported.
        perhaps: Other modules that may run, by a call or under a condition.
        exposed: Those of `certain` whose failure nothing catches.
        exposed_perhaps: Those of both whose failure nothing catches, if they run.

    Example:
        `analysis.graph("app.py").certain` has `"app.py"`, and every module that it certainly imports.
    """

    steps: Mapping[str, tuple[Step, ...]]
    changers: tuple[str, ...]
    certain: frozenset[str]
    perhaps: frozenset[str]
    exposed: frozenset[str]
    exposed_perhaps: frozenset[str]


def trace(path: str, paths: Iterable[str], facts: Callable[[str], ModuleFacts], resolver: Resolver) -> ImportGraph:
    """Follow everything that may run when the module at `path` is imported; `paths` are all that can be found."""
    starts = tuple(_starts(path, frozenset(paths)))
    tracer = _Tracer(facts, resolver)
    tracer.follow(starts)
    steps = tracer.steps
    certain = _close(starts, steps, lambda step: step.runs is Runs.ALWAYS)
    exposed = _close(starts, steps, lambda step: step.runs is Runs.ALWAYS and not step.statement.guarded)
    return ImportGraph(
        steps=steps,
        changers=tuple(tracer.changers),
        certain=certain,
        perhaps=frozenset(steps) - certain,
        exposed=exposed,
        exposed_perhaps=_close(starts, steps, lambda step: not step.statement.guarded),
    )


def _starts(path: str, paths: frozenset[str]) -> Iterator[str]:
    """Yield the packages around a module, which Python imports first, and the module."""
    folders = path.split("/")[:-1]
    for count in range(1, len(folders) + 1):
        package = "/".join([*folders[:count], "__init__.py"])
        if package in paths:
            yield package
    yield path


class _Tracer:
    """Follows imports: each module once, at the first import that leads to it."""

    def __init__(self, facts: Callable[[str], ModuleFacts], resolver: Resolver) -> None:
        self.steps: dict[str, tuple[Step, ...]] = {}
        self.changers: list[str] = []
        self._facts = facts
        self._resolver = resolver
        self._failing: set[str] = set()
        self._pending: list[str] = []
        self._depth = 0

    def follow(self, starts: Iterable[str]) -> None:
        """Follow everything that may run from these modules on."""
        self._pending += starts
        for path in self._pending:  # grows on the way
            self._fails(path)

    def _fails(self, path: str) -> bool:
        """Return whether importing a module certainly fails; in a circle, Python goes on with an unfinished module."""
        if path not in self.steps:
            self.steps[path] = ()
            self._depth += 1
            self._read(path)
            self._depth -= 1
        return path in self._failing

    def _read(self, path: str) -> None:
        steps: list[Step] = []
        ends: list[Ends] = []
        facts = self._facts(path)
        if facts.changes_path:
            self.changers.append(path)
        for statement in facts.imports:
            runs = _runs(statement, ends)
            lacks, reaches = self._resolver.resolve(path, statement) if runs is not Runs.NEVER else ((), ())
            step = Step(statement, runs, lacks, reaches)
            steps.append(step)
            ends.append(self._end(step))
            if runs is Runs.ALWAYS and not statement.guarded and ends[-1] is Ends.IN_ERROR:
                self._failing.add(path)
        self.steps[path] = tuple(steps)

    def _end(self, step: Step) -> Ends:
        """Follow a step into the modules that it runs, and return how it ends."""
        if step.runs is not Runs.ALWAYS or self._depth >= _DEEPEST_CHAIN:
            self._pending += step.reaches
            failing = False
        else:
            failing = True in [self._fails(target) for target in step.reaches]
        if failing or any(lack.reason is not Reason.UNCERTAIN for lack in step.lacks):
            return Ends.IN_ERROR if step.runs is Runs.ALWAYS else Ends.UNKNOWN
        return Ends.UNKNOWN if step.lacks else Ends.WELL


def _close(
    starts: Iterable[str], steps: Mapping[str, tuple[Step, ...]], counts: Callable[[Step], bool]
) -> frozenset[str]:
    """Return what is reached from `starts` by the steps that count."""
    reached = set(starts)
    pending = list(reached)
    while pending:
        for step in steps[pending.pop()]:
            if step.reaches and counts(step):
                targets = set(step.reaches) - reached
                pending += targets
                reached |= targets
    return frozenset(reached)


def _runs(statement: ImportStatement, ends: list[Ends]) -> Runs:
    """Return whether a statement runs, by how the statements ended that it replaces or follows."""
    runs = Runs.ALWAYS if statement.certain else Runs.PERHAPS
    if statement.if_missing:
        runs = min(runs, Runs(max(ends[index] for index in statement.if_missing)))
    if statement.if_found:
        runs = min(runs, Runs(Runs.ALWAYS - max(ends[index] for index in statement.if_found)))
    return runs
