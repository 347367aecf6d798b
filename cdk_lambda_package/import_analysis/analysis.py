"""The effects of imports in a set of Python files, determined without running them: the interface of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import (
    ANY_MODULE,
    ANY_SUBMODULE,
    STAR,
    Binding,
    ImportStatement,
    LazyName,
    ModuleFacts,
    NameKind,
    SourceFile,
    TextFault,
)
from cdk_lambda_package.import_analysis.finder import COMPILED_SUFFIXES, Environment, Found, ModuleFinder, ModuleOrigin
from cdk_lambda_package.import_analysis.graph import (
    DivergedError,
    ImportGraph,
    Lack,
    Reason,
    Resolved,
    Uses,
    packages_around,
    trace,
)
from cdk_lambda_package.import_analysis.lazy_tables import read_stub
from cdk_lambda_package.import_analysis.memory import GroupFacts, GroupFaults, module_memory, parser_versions
from cdk_lambda_package.import_analysis.provision import Provision
from cdk_lambda_package.import_analysis.reach import (
    ForeignPart,
    Reach,
    Side,
    digest_of_lines,
    foreign_part,
    join,
    question_of,
    reach_of,
)
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.reading import read_modules
from cdk_lambda_package.import_analysis.syntax import begin_syntax_faults, syntax_faults
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.store import Store, version_of
from cdk_lambda_package.target import PythonVersion, absence_of

# Files for type checkers (PEP 561), which make no module.
_TYPES = (".pyi", "/py.typed")
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
        own: Collection[str] = frozenset(),
        watched: Collection[str] = (),
        filled: Collection[str] = (),
        surroundings: str | None = None,
        store: Store | None = None,
    ) -> None:
        """Analyse `sources`, by path; `read` returns the content of a path. A .pyi file is read for the module beside it.

        `paths` are the paths of all files, extension modules and data among them; by default those of `sources`. `own` are the
        paths of the sources that the user edits: what they lead to in all others is remembered apart. `watched` are the names
        of top-level modules whose imports `reach` shows one by one. `filled` are the modules,
        by their full names, that extension modules may put names into. `surroundings` is a key of everything but the content
        of the `own` sources, if one is known already. All is remembered in the `store`, once `save` is called.
        """
        self.finder = ModuleFinder(sources if paths is None else paths, environment)
        self._sources, self._read, self._python = sources, read, environment.python
        self._paths = sources if paths is None else paths
        self._environment, self._own, self._store = environment, frozenset(own), store
        self._side = Side(self._own, frozenset(watched), self.facts, self.callee, self._given_by)
        self._filled = frozenset(filled)
        self._known_surroundings = surroundings
        self._memory = module_memory(sources, environment.python, store)
        self._stubbed: dict[str, ModuleFacts] = {}
        self._listed: dict[str, Names] = {}
        self._names: dict[str, Names] = {}
        self._given: dict[str, tuple[set[str], set[str]]] = {}
        self._graphs: dict[tuple[str, ...], ImportGraph] = {}
        self._reaches: dict[tuple[str, ...], Reach] = {}
        self._recalled: dict[tuple[str, ...], ForeignPart] = {}
        self._compiled: set[str] = set()
        self._faults: dict[str, TextFault] = {}
        self._expected: tuple[frozenset[str], Callable[[], dict[str, TextFault]]] | None = None

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says; nothing for the path "", that of no module."""
        if not path:
            return ModuleFacts()
        if not self._memory.knows(path):
            self._memory.add(path, read_module(self._read(path), self._python))
        facts = self._memory.value(path)
        return self._with_stub(path, facts) if any(one.stub for one in facts.imports) else facts

    def _with_stub(self, path: str, facts: ModuleFacts) -> ModuleFacts:
        """Return facts with the names that a module reads from the .pyi file beside it."""
        if path not in self._stubbed:
            stub = f"{path}i"
            names = read_stub(self.facts(stub).imports) if stub in self._sources else ()
            self._stubbed[path] = replace(facts, lazy=(*facts.lazy, *names))
        return self._stubbed[path]

    def expect_faults(self, paths: Iterable[str], versions: Sequence[PythonVersion], store: Store) -> None:
        """Begin to look for the faults of the sources at `paths`: the parser is at work until `syntax_faults` asks for them.

        Raises `CheckError`.
        """
        asked = frozenset(paths)
        self._expected = asked, begin_syntax_faults(self._sources, self._read, versions, store, asked=asked)

    def syntax_faults(
        self, paths: Iterable[str], versions: Sequence[PythonVersion], store: Store
    ) -> dict[str, TextFault]:
        """Return the first fault of each source at `paths` that can't be compiled, by its path; see `syntax`.

        The first of `versions` counts, and the others replace it if the parser doesn't know it. Raises `CheckError`.
        """
        paths = frozenset(paths)
        if self._expected is not None:
            expected, end = self._expected
            self._faults.update(end())
            self._compiled |= expected
            self._expected = None
        for foreign in self._recalled.values():
            if foreign.faults is not None:
                self._faults.update(foreign.faults)
                self._compiled.update(foreign.modules)
        asked = paths - self._compiled
        self._faults.update(syntax_faults(self._sources, self._read, versions, store, asked=asked))
        self._compiled |= asked
        return {path: fault for path, fault in sorted(self._faults.items()) if path in paths}

    # What is reached

    def graph(self, *paths: str) -> ImportGraph:
        """Return what runs when the modules at `paths` are imported one after the other, statement by statement.

        Everything is followed, once. `reach` says most of it, and costs little after an edit.
        """
        if paths not in self._graphs:
            self._read_ahead(paths)
            self._graphs[paths] = trace(paths, self._sources, self, own=self._own)
        return self._graphs[paths]

    def _read_ahead(self, paths: Iterable[str]) -> None:
        """Read what the modules at `paths` lead to, wave by wave, so that many are read at once.

        Only modules that are new are followed. What a trace wouldn't read is left out: imports that replace others.
        """
        if self._store is None:
            return
        wave, seen = set(paths), set[str]()
        while wave:
            seen |= wave
            missing = {path: self._read(path) for path in sorted(wave) if path and not self._memory.knows(path)}
            for path, facts in read_modules(read_module, missing, self._python, self._store).items():
                self._memory.add(path, facts)
            followed = missing if seen > wave else wave
            wave = {target for path in followed for target in self._targets_of(path)} - seen

    def _targets_of(self, path: str) -> Iterator[str]:
        """Yield the paths of the modules that may run by the statements of the module at `path`."""
        for statement in self.facts(path).imports:
            for module in (
                _modules_of(self.absolute_name(path, statement), statement) if not statement.if_missing else ()
            ):
                target = self.path_of(module)
                if target is not None:
                    yield from (*packages_around(target, self._sources), target)

    def reach(self, *paths: str) -> Reach:
        """Return what the modules at `paths` lead to when they are imported one after the other; worked out once."""
        if paths not in self._reaches:
            self._reaches[paths] = self._recall_reach(paths) or reach_of(self.graph(*paths), self._side)
        return self._reaches[paths]

    def _recall_reach(self, paths: tuple[str, ...]) -> Reach | None:
        """Return the reach with what is remembered of modules that aren't the user's own; None if that isn't known."""
        foreign = self._store.recall(ForeignPart, self._reach_key(paths)) if self._store is not None else None
        if foreign is None:
            return None

        effects = _RecalledEffects(self, foreign.resolved)
        try:
            own_part = trace(paths, self._sources, effects, own=self._own, past=foreign.past)
        except DivergedError:
            return None
        self._recalled[paths] = foreign
        return join(own_part, foreign, self._side)

    def _reach_key(self, paths: tuple[str, ...]) -> str:
        """Return the key of what is remembered: all files that aren't the user's own, and the names of those that are."""
        versions = (version_of(GroupFacts), version_of(GroupFaults), parser_versions())
        return key_of(versions, self._surroundings, sorted(self._side.watching), paths)

    @cached_property
    def _surroundings(self) -> str:
        if self._known_surroundings is not None:
            return self._known_surroundings
        foreign = (f"{path} {one.digest}" for path, one in self._sources.items() if path not in self._own)
        files = (digest_of_lines(foreign), digest_of_lines(self._paths), sorted(self._own))
        return key_of(self._environment, sorted(self._filled), *files)

    @cached_property
    def _own_tops(self) -> frozenset[str]:
        """The names at the top level that the user's own modules have a part in."""
        return frozenset(self.finder.below_root(path).partition("/")[0].removesuffix(".py") for path in self._own)

    def foreign_question(self, path: str, statement: ImportStatement) -> str | None:
        """Return what a statement asks of modules that aren't the user's own, None if it may lead to others."""
        module = self.absolute_name(path, statement)
        return question_of(module, statement) if module and module.partition(".")[0] not in self._own_tops else None

    def _is_closed(self) -> bool:
        """Return whether no module that isn't the user's own may import one that is, of all that were read."""
        for path in self._memory.known_paths():
            if path in self._own:
                continue
            facts = self.facts(path)
            names = [one.module for one in facts.imports if not one.level]
            names += [lazy.module for lazy in facts.lazy if not lazy.module.startswith(".")]
            names += [name for name in (*facts.uses, *facts.named) if not name.startswith(".")]
            tops = {name.partition(".")[0] for name in names} | {self.finder.below_root(path).partition("/")[0]}
            if not tops.isdisjoint(self._own_tops):
                return False
        return True

    def save(self) -> None:
        """Remember what was read, and what it leads to."""
        self._memory.save()
        if self._store is None or not self._graphs or not self._is_closed():
            return
        for paths, graph in self._graphs.items():
            if any(not self._own.isdisjoint(use.reaches) for use in graph.past.uses.values()):
                continue
            foreign = foreign_part(graph, self._side, self._resolved_in(graph))
            faults = {path: fault for path, fault in self._faults.items() if path in foreign.modules}
            known = self._compiled.issuperset(foreign.modules) and all(fault.certain for fault in faults.values())
            self._store.remember(replace(foreign, faults=faults if known else None), self._reach_key(paths))

    def _resolved_in(self, graph: ImportGraph) -> dict[str, Resolved]:
        """Return what the statements come to by which the user's own modules lead to others."""
        resolved: dict[str, Resolved] = {}
        for path, steps in graph.steps.items():
            for step in steps if path in self._own else ():
                question = self.foreign_question(path, step.statement)
                if question and step.reaches:
                    resolved[question] = Resolved(step.lacks, step.reaches, step.loads)
        return resolved

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if its source can be read."""
        return self._followed(self.finder.find(module))

    def _followed(self, found: Found | None) -> str | None:
        return found.path if found is not None and found.path in self._sources else None

    def provision(self, path: str) -> Provision:
        """Return what the module at `path` may provide that isn't found where Python searches."""
        group = self._sources[path].group if path in self._sources else None

        def owns(other: str) -> bool:
            source = self._sources.get(other)
            return source is None or source.group == group

        def serves(other: str) -> bool:
            # A finder of a distribution, such as wrapt's, doesn't know the modules of others by new names.
            return path in self._own or other in self._own or (owns(other) and not other.endswith(_TYPES))

        return Provision(path, self.facts(path).changes, self.finder, owns, serves)

    # Names

    def names(self, path: str) -> Names:
        """Return the names of the module at `path`; star imports are followed into modules that can be read.

        Names that modules of the same top-level package bind in it count.
        """
        if path not in self._names:
            listed = self._listed_names(path)
            self._names[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            parts = [listed, *(self._names_from_outside(path) if listed.complete else ())]
            self._names[path] = _joined(parts)
        return self._names[path]

    def _listed_names(self, path: str) -> Names:
        """Return the names that the source of a module lists, and those of its star imports."""
        if path not in self._listed:
            self._listed[path] = Names(frozenset(), complete=False)  # for star imports in a circle
            facts = self.facts(path)
            own = frozenset((*facts.names, *(lazy.name for lazy in facts.lazy)))
            parts = [Names(own, not facts.opaque and _module_at(path) not in self._filled)]
            parts += [self._names_of_answerer(path, facts.answerer)] if facts.answerer else []
            parts += [self._names_of_star(path, one) for one in facts.imports if one.names == STAR]
            self._listed[path] = _joined(parts)
        return self._listed[path]

    def _names_of_answerer(self, path: str, answerer: str) -> Names:
        """Return the names that a module's `__getattr__` has an answer to, if that function of another module made it."""
        module = _module_at(self.finder.below_root(path))
        owner, _, function = answerer.rpartition(".")
        dotted = owner.lstrip(".")
        level = len(owner) - len(dotted) + (answerer.startswith(".") and not dotted)
        source = self._module_of(path, ImportStatement(dotted, level, (function,), 0, certain=True, guarded=False))
        made = [one for one in self.facts(source).factories if one.name == function] if source is not None else []
        if len(made) != 1:
            return Names(frozenset(), complete=False)
        before = f"{module}{made[0].separator}"
        return Names(
            frozenset(key.removeprefix(before) for key in made[0].keys if key.startswith(before)), complete=True
        )

    def _names_from_outside(self, path: str) -> Iterator[Names]:
        """Yield the names that a module gets from functions that it imports, and from other modules of its package."""
        for statement in self.facts(path).imports:
            source = self._module_of(path, statement) if statement.names == STAR else None
            if source is not None and self.facts(source).exported is None:
                passed_on, complete = self.names(source)
                if self.facts(source).binding("__all__") is None:
                    passed_on = frozenset(name for name in passed_on if not name.startswith("_"))
                yield Names(passed_on, complete)
            if statement.certain or statement.if_missing:
                met = any(self._is_meddler(path, statement, name) for name in statement.names)
                yield Names(frozenset(), complete=not met and not self._has_used_meddler(path, statement))
        given = self._given_near(path)
        full = _module_at(self.finder.below_root(path))
        owners = (full, full.rpartition(".")[2], ANY_MODULE)
        names = [name for owner, _, name in (one.rpartition(".") for one in given) if owner in owners]
        yield Names(frozenset(names), complete="*" not in names)

    def _given_near(self, path: str) -> set[str]:
        """Return the names that a module, and what it leads to in its top-level package, bind in other modules."""
        top = path.partition("/")[0]
        seen, given = self._given.setdefault(top, (set(), set()))
        pending = [*packages_around(path, self._sources), path]
        while pending:
            one = pending.pop()
            if one in seen or one.partition("/")[0] != top:
                continue
            seen.add(one)
            facts = self.facts(one)
            given.update(self._given_by(one))
            for statement in facts.imports:
                module = self.absolute_name(one, statement)
                pending += filter(None, map(self.path_of, _modules_of(module, statement)))
        return given

    def _given_by(self, path: str) -> Iterator[str]:
        """Yield the names that a module assigns to others, and any name of those that other code gets whole, by their full names."""
        facts = self.facts(path)
        yield from facts.given
        for name in facts.passed:
            dotted = name.lstrip(".")
            module = self.absolute_name(path, ImportStatement(dotted, len(name) - len(dotted), (), 0, False, False))
            if module and self.path_of(module) is not None:
                yield f"{module}.*"

    def may_make(self, path: str, module: str) -> bool:
        """Return whether the module at `path`, or one that it imports beside it, may provide a module without a file.

        Such as `tlz`, whose `_build_tlz` adds a finder that makes its submodules.
        """
        top = path.partition("/")[0]
        imported = (self.path_of(name) for one in self.facts(path).imports if one.certain
                    for name in _modules_of(self.absolute_name(path, one), one))  # fmt: skip
        beside = (target for target in imported if target is not None and target.partition("/")[0] == top)
        return any(self.provision(one).may_make(module) for one in (path, *beside))

    def _has_used_meddler(self, path: str, statement: ImportStatement) -> bool:
        """Return whether a statement imports a module of whose functions one that may bind names is called by `module.function()`."""
        module = self.absolute_name(path, statement)
        called = {use.rpartition(".")[2] for use in self.facts(path).uses if use.endswith("()")}
        targets = filter(None, map(self.path_of, _modules_of(module, statement)))
        return bool(called) and any(f"{name}()" in called for one in targets for name in self.facts(one).meddlers)

    def _is_meddler(self, path: str, statement: ImportStatement, name: str) -> bool:
        """Return whether a statement imports a function that may bind names in the module that uses it."""
        seen: set[tuple[str, str]] = set()
        while (source := self._module_of(path, statement)) is not None and (source, name) not in seen:
            seen.add((source, name))
            facts = self.facts(source)
            if name in facts.meddlers:
                return True
            found = [one for one in facts.imports if name in one.names] or [
                one for one in facts.imports if one.names == STAR
            ]
            if not found:
                return False
            path, statement = source, found[0]
        return False

    def _module_of(self, path: str, statement: ImportStatement) -> str | None:
        module = self.absolute_name(path, statement)
        return self.path_of(module) if module else None

    def _names_of_star(self, path: str, statement: ImportStatement) -> Names:
        """Return what a star import binds: `__all__`, else all names without an underscore in front."""
        module = self.absolute_name(path, statement)
        target = self.path_of(module) if module else None
        if module is None or target is None:
            return Names(frozenset(), complete=False)
        facts = self.facts(target)
        if facts.exported is not None:
            # A decorator may add what it decorates.
            added = (binding.name for binding in facts.bindings if binding.kind in _DECORATED)
            # What is asked for the names of one module is asked for those of the other, too.
            return Names(frozenset((*facts.exported, *added)), complete="__getattr__" not in facts.exported)
        names, complete = self._listed_names(target)
        if facts.binding("__all__") is None:
            names = frozenset(name for name in names if not name.startswith("_"))
        # Submodules are attributes of their package once anything has imported them.
        return Names(names | self.finder.submodules(module), complete)

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
        found = [(one, binding.name) for one in imports if one.certain and not one.read and binding.name in one.names]
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
        if statement.stub:
            missing = path in self._paths and f"{path}i" not in self._paths
            return Resolved((Lack(Reason.NO_STUB, f"{path}i"),) if missing else (), ())
        module = self.absolute_name(path, statement)
        if module is None:
            dotted = f"{'.' * statement.level}{statement.module}"
            return Resolved((Lack(Reason.NO_PARENT, dotted),), ())
        files, lack = self._import_packages(module)
        if statement.by_name and module == self._package_at(path):
            # The loader of opencv-python takes itself out of sys.modules, and then imports the native module of its name
            # (https://github.com/opencv/opencv/blob/4.x/modules/python/package/cv2/__init__.py). Else it would do nothing.
            files.update(dict.fromkeys(filter(None, [self.finder.find_native_part(module)])))
        if lack is not None and lack.reason is Reason.NO_MODULE:
            first = statement.names[:1] if statement.names != STAR else ()
            return self._resolved([lack._replace(wanted=".".join((module, *first)))], files)
        lacks = [lack] if lack is not None else []
        for name in self._imported_names(module, statement):
            if lazy := self._import_lazily(module, name):
                files.update(dict.fromkeys(lazy))
                continue
            file, lack = self._import_name(path, statement, module, name)
            lacks += filter(None, [lack])
            files.update(dict.fromkeys(filter(None, [file])))
        return self._resolved(lacks, files)

    def _resolved(self, lacks: Iterable[Lack], files: Collection[str]) -> Resolved:
        """Return the effect of a statement that runs these files, or loads those that are compiled."""
        reaches = tuple(file for file in files if file in self._sources)
        return Resolved(tuple(lacks), reaches, tuple(file for file in files if file.endswith(COMPILED_SUFFIXES)))

    def _package_at(self, path: str) -> str | None:
        """Return the full name of the package that a path is the module of."""
        below = self.finder.below_root(path)
        return _module_at(below) if below.endswith("/__init__.py") else None

    # What names that are used lead to

    def uses(self, path: str) -> Uses:
        """Return what names lead to that the module at `path` uses while it is imported."""
        facts = self.facts(path)
        found = [self._use(path, name) for name in facts.uses]
        found += [self._use_all(path, one) for one in facts.imports if one.names == STAR and not one.deferred]
        return _joined_uses([*found, Uses(tuple(self._named(path)))])

    def _named(self, path: str) -> Iterator[str]:
        """Yield the paths of the modules that texts name in a module which imports one by a computed name."""
        package = _module_at(self.finder.below_root(path))
        if not path.endswith("/__init__.py"):
            package = package.rpartition(".")[0]
        for text in self.facts(path).named:
            for name in (f"{package}.{text.lstrip('.')}", *([] if text.startswith(".") else [text])):
                if self.path_of(name) is not None:
                    yield from self._import_packages(name)[0]

    def uses_of(self, path: str, function: str) -> Uses:
        """Return what a call of a function or class of the module at `path` leads to, by the bases of the class."""
        owner, _, method = function.rpartition(".")
        found = []
        for name, base in self.facts(path).bases:
            if base.startswith("metaclass="):
                meta = base.removeprefix("metaclass=")
                if name == owner and method == "__init_subclass__":
                    found += [self._use(path, f"{meta}.{one}()") for one in ("__new__", "__init__")]
            elif name == function:
                found.append(self._use(path, f"{base}()"))
            elif name == owner:
                found.append(self._use(path, f"{base}.{method}()"))
        return _joined_uses(found)

    def _use(self, path: str, use: str) -> Uses:
        """Return what the use of an imported name leads to, through the modules that pass it on."""
        name = use.removesuffix("()")
        dotted = name.lstrip(".")
        statement = ImportStatement(dotted, len(name) - len(dotted), (), 0, certain=False, guarded=False)
        full = self.absolute_name(path, statement)
        reaches: dict[str, None] = {}
        seen: set[tuple[str, str]] = set()
        while full is not None:
            module, rest = self._split_name(full)
            for package, name in _steps_to(module):
                reaches.update(dict.fromkeys(self._import_lazily(package, name)))
            first, _, others = rest.partition(".")
            target = self.path_of(module) if first else None
            if target is None or (module, first) in seen:
                break
            seen.add((module, first))
            lazy = self._import_lazily(module, first)
            reaches.update(dict.fromkeys(lazy))
            full = self._origin_of(target, first)
            if full is None and lazy:
                full = f"{_module_at(self.finder.below_root(lazy[-1]))}.{first}"
            elif full is None and use.endswith("()"):
                return Uses(tuple(reaches), ((target, rest),))
            full = ".".join(filter(None, (full, others))) if full else None
        return Uses(tuple(reaches))

    def callee(self, path: str, name: str) -> tuple[str, str] | None:
        """Return the module and name of a function or class that the module at `path` knows by its full name.

        None if that isn't certain: it is looked up by imports that certainly run, of names that are bound once.
        """
        dotted = name.lstrip(".")
        statement = ImportStatement(dotted, len(name) - len(dotted), (), 0, certain=False, guarded=False)
        module, rest = self._split_name(self.absolute_name(path, statement) or "")
        target, seen = self.path_of(module), set[str]()
        while target is not None and target not in seen and rest and "." not in rest:
            seen.add(target)
            binding = self.facts(target).binding(rest)
            if binding is None or not self._is_bound_once(target, binding):
                return None
            if binding.kind is not NameKind.IMPORTED:
                return target, rest
            found = self._source_of(target, binding)
            target, rest = (found[0], found[1].name) if isinstance(found, tuple) else (None, "")
        return None

    def _is_bound_once(self, path: str, binding: Binding) -> bool:
        """Return whether only one statement of a module binds a name, to what has the same name in another module if it imports it."""
        facts = self.facts(path)
        bound = {one.name for one in facts.bindings if one.line == binding.line}
        for one in facts.imports:
            star = one.names == STAR and not one.deferred and one.line > binding.line
            # One of several names has an alias, and facts don't say which.
            aliased = one.line == binding.line and len(one.names) > 1 and not bound.issuperset(one.names)
            if star or aliased:
                return False
        return binding.first == binding.line and (not facts.opaque or binding.kind is not NameKind.IMPORTED)

    def _use_all(self, path: str, statement: ImportStatement) -> Uses:
        """Return what a star import asks a module for whose list of names is computed."""
        target = self._module_of(path, statement)
        facts = self.facts(target) if target is not None else None
        if facts is None or facts.exported is not None or facts.binding("__all__") is None:
            return Uses()
        module = self.absolute_name(path, statement) or ""
        names = {lazy.name for lazy in facts.lazy if lazy != ANY_SUBMODULE}
        return Uses(tuple(reached for name in sorted(names) for reached in self._import_lazily(module, name)))

    def _split_name(self, name: str) -> tuple[str, str]:
        """Return the module in a full name, and the rest of it."""
        module, rest = name, list[str]()
        while module and self.path_of(module) is None:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
        return module, ".".join(rest)

    def _origin_of(self, path: str, name: str) -> str | None:
        """Return the full name of what a module imports as `name`, or by a star import; None if it doesn't."""
        binding = self.facts(path).binding(name)
        source = None
        if binding is None:
            stars = [one for one in self.facts(path).imports if one.names == STAR and not one.deferred]
            for target in filter(None, (self._module_of(path, one) for one in stars)):
                if self._listed_names(target).has(name):
                    source = f"{_module_at(self.finder.below_root(target))}.{name}"
        elif binding.kind in (NameKind.IMPORTED, NameKind.OTHER):
            found = self._source_of(path, binding)
            if isinstance(found, tuple):
                source = f"{_module_at(self.finder.below_root(found[0]))}.{found[1].name}"
        return source

    def _imported_names(self, module: str, statement: ImportStatement) -> Iterable[str]:
        if statement.names != STAR:
            return statement.names
        # A star import imports what __all__ names, submodules too.
        target = self.path_of(module)
        return (self.facts(target).exported or ()) if target else ()

    def _import_packages(self, module: str) -> tuple[dict[str, None], Lack | None]:
        """Import each package on the way to a module, and the module: their files, and what may be missing."""
        paths: dict[str, None] = {}
        uncertain: Lack | None = None
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            found = self.finder.find(name)
            if found is None:
                paths.update(dict.fromkeys(filter(None, [self.finder.find_unusable(name)])))
                return paths, Lack(Reason.NO_MODULE, name)
            if found.path:
                paths[found.path] = None
            if not found.certain and uncertain is None:
                uncertain = Lack(Reason.UNCERTAIN, name)
        return paths, uncertain

    def _import_lazily(self, module: str, name: str) -> list[str]:
        """Return the paths of the modules that a package imports when it is asked for a name, by its table of lazy imports.

        The module that has the name may have such a table itself.
        """
        paths: dict[str, None] = {}
        pending, seen = [module], set[str]()
        while pending:
            package = pending.pop()
            target = self.path_of(package)
            facts = self.facts(target) if target is not None and package not in seen else None
            if target is None or facts is None or not facts.lazy or self._binds_itself(target, name):
                continue
            seen.add(package)
            for lazy in facts.lazy:
                known = lazy.name == name or lazy == ANY_SUBMODULE
                source = self._lazy_module(package, lazy, name) if known else None
                if source is not None:
                    paths.update(self._import_packages(source)[0])
                    pending.append(source)
                    break
        return list(paths)

    def _binds_itself(self, target: str, name: str) -> bool:
        """Return whether a module has a name without its table: not by `__getattr__`, nor only by imports that may not run."""
        facts = self.facts(target)
        imports = [one for one in facts.imports if name in one.names]
        return not facts.answers(name) and (not imports or any(one.certain for one in imports))

    def _lazy_module(self, package: str, lazy: LazyName, name: str) -> str | None:
        """Return the full name of the module that a package imports for a name, if there is one."""
        if lazy == ANY_SUBMODULE:
            names = [f"{package}.{name}"]
        elif lazy.module.startswith("."):
            module = lazy.module.lstrip(".")
            level = len(lazy.module) - len(module)
            target = self.path_of(package) or ""
            found = absolute_name(self.finder.below_root(target), ImportStatement(module, level, (), 0, False, False))
            names = [found] if found else []
        else:
            names = [f"{package}.{lazy.module}", lazy.module]
        return next((one for one in names if self.path_of(one) is not None), None)

    def _import_name(
        self, path: str, statement: ImportStatement, module: str, name: str
    ) -> tuple[str | None, Lack | None]:
        """Return the file of the submodule that `from module import name` runs, and what it lacks.

        Both are None if the module has the name, and neither if the submodule is compiled for another Python or system.
        """
        package, target = self.finder.find(module), self.path_of(module)
        if package is None or (target and self._binds(target, name, path, statement)):
            return None, None
        if statement.read and package.origin is not ModuleOrigin.STANDARD_LIBRARY:
            return None, None
        full = f"{module}.{name}"
        submodule = self.finder.find(full)
        if submodule is not None:
            return submodule.path, None
        if package.is_namespace:
            return self.finder.find_unusable(full), Lack(Reason.NO_MODULE, full, wanted=full)
        if package.origin is ModuleOrigin.STANDARD_LIBRARY:
            missing = absence_of(module, name, self._python) is not None
        else:
            missing = target is not None and self._certainly_lacks(target, name)
        unusable = self.finder.find_unusable(full)
        lack = Lack(Reason.NO_MODULE, full, wanted=full) if unusable else Lack(Reason.NO_NAME, module, name)
        return unusable, lack if missing else None

    def _certainly_lacks(self, target: str, name: str) -> bool:
        """Return whether a module lacks a name that it doesn't bind itself before it is asked for."""
        listed = self._listed_names(target)
        if not listed.complete:
            return False
        names, complete = self.names(target)  # more modules are read for these
        return complete and name not in names - listed.names

    def _binds(self, target: str, name: str, path: str, statement: ImportStatement) -> bool:
        if self.facts(target).binding(name) is None and not self._listed_names(target).has(name):
            return False
        # `from . import name` in a package binds the name, but only after the import has succeeded.
        binding = self.facts(target).binding(name) if target == path else None
        return binding is None or binding.first != statement.line


class _RecalledEffects:
    """The effects of the user's own modules, with what is remembered of statements that lead to others."""

    def __init__(self, analysis: ImportAnalysis, resolved: Mapping[str, Resolved]) -> None:
        self._analysis, self._resolved = analysis, resolved

    def facts(self, path: str) -> ModuleFacts:
        return self._analysis.facts(path)

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        question = self._analysis.foreign_question(path, statement)
        return self._resolved.get(question or "") or self._analysis.resolve(path, statement)

    def uses(self, path: str) -> Uses:
        return self._analysis.uses(path)

    def uses_of(self, path: str, function: str) -> Uses:
        return self._analysis.uses_of(path, function)

    def callee(self, path: str, name: str) -> tuple[str, str] | None:
        return self._analysis.callee(path, name)


def _module_at(path: str) -> str:
    """Return the full name of the module at a path, if its folder is on the path of Python."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _modules_of(module: str | None, statement: ImportStatement) -> Iterator[str]:
    """Yield the modules that a statement may import: a name may be that of a submodule."""
    if module:
        yield module
        yield from (f"{module}.{name}" for name in statement.names if statement.names != STAR)


def _steps_to(module: str) -> Iterator[tuple[str, str]]:
    """Yield each package around a module with the name in it that leads to the module."""
    parts = module.split(".")
    yield from ((".".join(parts[:count]), parts[count]) for count in range(1, len(parts)))


def _joined_uses(parts: Iterable[Uses]) -> Uses:
    found = list(parts)
    return Uses(
        tuple(dict.fromkeys(path for one in found for path in one.reaches)),
        tuple(dict.fromkeys(call for one in found for call in one.calls)),
    )


def _joined(parts: Iterable[Names]) -> Names:
    parts = tuple(parts)
    return Names(frozenset[str]().union(*(part.names for part in parts)), all(part.complete for part in parts))


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
