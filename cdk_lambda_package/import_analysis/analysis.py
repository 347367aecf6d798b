"""The effects of imports in a set of Python files, determined without running them: the interface of this folder.

`modules` finds and reads modules, `module_names` lists their names, `resolver` says what statements lead to, and `graph`
follows them. This one puts them together, and remembers what the user's own modules lead to in all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from cdk_lambda_package.import_analysis.facts import (
    Binding,
    ComputedImport,
    ImportStatement,
    ModuleFacts,
    NameKind,
    SourceFile,
    TextFault,
)
from cdk_lambda_package.import_analysis.finder import Environment, ModuleFinder, Provision
from cdk_lambda_package.import_analysis.graph import DivergedError, ImportGraph, Resolved, Uses, trace
from cdk_lambda_package.import_analysis.memory import GroupFacts, GroupFaults, parser_versions
from cdk_lambda_package.import_analysis.module_names import ModuleNames, Names
from cdk_lambda_package.import_analysis.modules import Modules, modules_of
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
from cdk_lambda_package.import_analysis.resolver import Resolver
from cdk_lambda_package.import_analysis.syntax import begin_syntax_faults, syntax_faults
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.store import Store, version_of
from cdk_lambda_package.target import PythonVersion

# What is remembered of where imports lead outlives the edit of so many sources that don't belong to the user.
_MOST_CHANGED = 8


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
        of the `own` sources and of others that are in no segment, if one is known already. All is remembered in the `store`, once `save`
        is called.
        """
        self._modules = Modules(sources, read, read_module, environment, paths=paths, own=own, store=store)
        self._names = ModuleNames(self._modules, filled)
        self._resolver = Resolver(self._modules, self._names)
        self._sources, self._read, self._own = sources, read, self._modules.own
        self._environment, self._filled, self._store = environment, frozenset(filled), store
        self._side = Side(self._own, frozenset(watched), self.facts, self._resolver.callee, self._names.given_by)
        self._known_surroundings = surroundings
        self._graphs: dict[tuple[str, ...], ImportGraph] = {}
        self._reaches: dict[tuple[str, ...], Reach] = {}
        self._recalled: dict[tuple[str, ...], tuple[ForeignPart, frozenset[str]]] = {}
        self._compiled: set[str] = set()
        self._faults: dict[str, TextFault] = {}
        self._expected: tuple[frozenset[str], Callable[[], dict[str, TextFault]]] | None = None

    # Modules and their names

    @property
    def finder(self) -> ModuleFinder:
        """Finds modules by their full names, as Python would."""
        return self._modules.finder

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says; nothing for the path "", that of no module."""
        return self._modules.facts(path)

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if its source can be read."""
        return self._modules.path_of(module)

    def imported_by(self, path: str) -> Iterator[str]:
        """Yield the full names of the modules that statements of the module at `path` may import, those in functions too."""
        for statement in self.facts(path).imports:
            yield from modules_of(self._modules.absolute_name(path, statement), statement)

    def provision(self, path: str) -> Provision:
        """Return what the module at `path` may provide that isn't found where Python searches."""
        return self._modules.provision(path)

    def may_make(self, path: str, module: str) -> bool:
        """Return whether the module at `path`, or one that it imports beside it, may provide a module without a file."""
        return self._modules.may_make(path, module)

    def names(self, path: str) -> Names:
        """Return the names of the module at `path`, with those that others bind in it."""
        return self._names.names(path)

    def kind_of(self, path: str, binding: Binding) -> NameKind:
        """Return what a name of the module at `path` is in the end, followed through the modules that it comes from."""
        return self._names.kind_of(path, binding)

    # Syntax

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
        for foreign, changed in self._recalled.values():
            if foreign.faults is not None:
                self._faults.update({path: one for path, one in foreign.faults.items() if path not in changed})
                self._compiled.update(foreign.modules.keys() - changed)
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
            self._modules.read_ahead(paths)
            self._graphs[paths] = trace(paths, self._sources, self._resolver, own=self._own)
        return self._graphs[paths]

    def reach(self, *paths: str) -> Reach:
        """Return what the modules at `paths` lead to when they are imported one after the other; worked out once."""
        if paths not in self._reaches:
            self._reaches[paths] = self._recall_reach(paths) or reach_of(self.graph(*paths), self._side)
        return self._reaches[paths]

    def _recall_reach(self, paths: tuple[str, ...]) -> Reach | None:
        """Return the reach with what is remembered of modules that aren't the user's own; None if that isn't known."""
        foreign = self._store.recall(ForeignPart, self._reach_key(paths)) if self._store is not None else None
        changed = self._changed_since(foreign) if foreign is not None else None
        if foreign is None or changed is None:
            return None

        effects = _RecalledResolver(self._resolver, foreign.resolved, self._foreign_question)
        try:
            own_part = trace(paths, self._sources, effects, own=self._own, past=foreign.past)
        except DivergedError:
            return None
        self._recalled[paths] = foreign, changed
        return join(own_part, foreign, self._side)

    def _changed_since(self, foreign: ForeignPart) -> frozenset[str] | None:
        """Return the sources that are others by now and say the same; None if one says something else, or on a line that is told."""
        read = foreign.read
        if any(path not in self._sources for path in read):
            return None
        changed = frozenset(path for path, digest in read.items() if self._sources[path].digest != digest)
        told = {path for path, _ in (*foreign.lacking, *foreign.opened)}
        # Many are read faster by the whole trace.
        if len(changed) > _MOST_CHANGED or not told.isdisjoint(changed):
            return None
        return changed if all(self._modules.says_the_same(path, read[path]) for path in changed) else None

    def _reach_key(self, paths: tuple[str, ...]) -> str:
        """Return the key of what is remembered: the names of all files, and the content of those that are in segments."""
        versions = (version_of(GroupFacts), version_of(GroupFaults), parser_versions())
        return key_of(versions, self._surroundings, sorted(self._side.watching), paths)

    @cached_property
    def _surroundings(self) -> str:
        if self._known_surroundings is not None:
            return self._known_surroundings
        foreign = (f"{path} {one.digest}" for path, one in self._sources.items() if path not in self._own)
        files = (digest_of_lines(foreign), digest_of_lines(self._modules.paths), sorted(self._own))
        return key_of(self._environment, sorted(self._filled), *files)

    @cached_property
    def _own_tops(self) -> frozenset[str]:
        """The names at the top level that the user's own modules have a part in."""
        return frozenset(self.finder.below_root(path).partition("/")[0].removesuffix(".py") for path in self._own)

    def _foreign_question(self, path: str, statement: ImportStatement) -> str | None:
        """Return what a statement asks of modules that aren't the user's own, None if it may lead to others."""
        module = self._modules.absolute_name(path, statement)
        return question_of(module, statement) if module and module.partition(".")[0] not in self._own_tops else None

    def _is_closed(self) -> bool:
        """Return whether no module that isn't the user's own may import one that is, of all that were read."""
        for path in self._modules.memory.known_paths():
            if path in self._own:
                continue
            facts = self.facts(path)
            names = [one.module for one in facts.imports if not one.level]
            names += [lazy.module for lazy in facts.lazy if not lazy.module.startswith(".")]
            names += [one.name for one in facts.computed if not one.name.startswith(".")]
            names += [name for name in (*facts.uses, *facts.named) if not name.startswith(".")]
            tops = {name.partition(".")[0] for name in names} | {self.finder.below_root(path).partition("/")[0]}
            if not tops.isdisjoint(self._own_tops):
                return False
        return True

    def save(self) -> None:
        """Remember what was read, and what it leads to."""
        self._modules.memory.save()
        if self._store is None:
            return
        for paths, (foreign, changed) in self._recalled.items():
            if changed:
                self._keep(paths, foreign, {**foreign.read, **{path: self._sources[path].digest for path in changed}})
        if not self._graphs or not self._is_closed():
            return
        foreign_sources = (
            (path, self._sources[path]) for path in self._modules.memory.known_paths() if path not in self._own
        )
        read = {path: source.digest for path, source in foreign_sources if source.segment is None}
        for paths, graph in self._graphs.items():
            if any(not self._own.isdisjoint(use.reaches) for use in graph.past.uses.values()):
                continue
            self._keep(paths, foreign_part(graph, self._side, self._resolved_in(graph)), read)

    def _keep(self, paths: tuple[str, ...], foreign: ForeignPart, read: dict[str, str]) -> None:
        """Remember what the modules at `paths` lead to, with the digests of what was read for it."""
        faults = {path: fault for path, fault in self._faults.items() if path in foreign.modules}
        known = self._compiled.issuperset(foreign.modules) and all(fault.certain for fault in faults.values())
        if self._store is not None:
            kept = replace(foreign, faults=faults if known else None, read=read)
            self._store.remember(kept, self._reach_key(paths))

    def _resolved_in(self, graph: ImportGraph) -> dict[str, Resolved]:
        """Return what the statements come to by which the user's own modules lead to others."""
        resolved: dict[str, Resolved] = {}
        for path, steps in graph.steps.items():
            for step in steps if path in self._own else ():
                question = self._foreign_question(path, step.statement)
                if question and step.reaches:
                    resolved[question] = Resolved(step.lacks, step.reaches, step.loads)
        return resolved


class _RecalledResolver:
    """Resolves the imports of the user's own modules, with what is remembered of statements that lead to others."""

    def __init__(
        self,
        resolver: Resolver,
        resolved: Mapping[str, Resolved],
        question: Callable[[str, ImportStatement], str | None],
    ) -> None:
        self._resolver, self._resolved, self._question = resolver, resolved, question

    def facts(self, path: str) -> ModuleFacts:
        return self._resolver.facts(path)

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        return self._resolved.get(self._question(path, statement) or "") or self._resolver.resolve(path, statement)

    def computed(self, path: str, one: ComputedImport) -> tuple[str, ...]:
        return self._resolver.computed(path, one)

    def uses(self, path: str) -> Uses:
        return self._resolver.uses(path)

    def uses_of(self, path: str, function: str) -> Uses:
        return self._resolver.uses_of(path, function)

    def callee(self, path: str, name: str) -> tuple[str, str] | None:
        return self._resolver.callee(path, name)
