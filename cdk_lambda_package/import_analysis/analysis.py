"""The effects of imports in a set of Python files, determined without running them: the interface of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from cdk_lambda_package.import_analysis.facts import (
    Binding,
    GroupFacts,
    GroupMemory,
    ModuleFacts,
    NameKind,
    SourceFile,
    TextFault,
)
from cdk_lambda_package.import_analysis.finder import Environment, ModuleFinder
from cdk_lambda_package.import_analysis.graph import ImportGraph, Names, Resolver, trace
from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.syntax import syntax_faults
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion


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
        self._paths = sources if paths is None else paths
        self._sources, self._read, self._python, self._store = sources, read, environment.python, store
        self._resolver = Resolver(sources, self.facts, self.finder, environment.python)
        self._memories: dict[str, GroupMemory[ModuleFacts]] = {}
        self._groups: dict[str, dict[str, str]] = {}
        self._graphs: dict[str, ImportGraph] = {}

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says."""
        source = self._sources[path]
        memory = self._memories.get(source.group) or self._open(source.group)
        facts = memory.by_digest.get(source.digest)
        if facts is None:
            facts = memory.by_digest[source.digest] = read_module(self._read(path), self._python)
        return facts

    def names(self, path: str) -> Names:
        """Return the names of the module at `path`, with those of its star imports."""
        return self._resolver.names_of(path)

    def kind_of(self, path: str, binding: Binding) -> NameKind:
        """Return what a name of the module at `path` is in the end, followed through the modules that it comes from."""
        return self._resolver.kind_of(path, binding)

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if it is one of the followed files."""
        return self._resolver.path_of(module)

    def graph(self, path: str) -> ImportGraph:
        """Return what runs when the module at `path` is imported; worked out once."""
        if path not in self._graphs:
            self._graphs[path] = trace(path, self._paths, self.facts, self._resolver)
        return self._graphs[path]

    def syntax_faults(self, versions: Sequence[PythonVersion], store: Store) -> dict[str, TextFault]:
        """Return the first fault of each followed source that can't be compiled, by its path; see `syntax`.

        The first of `versions` counts, and the others replace it if the parser doesn't know it. Raises `CheckError`.
        """
        followed = {path: source for path, source in self._sources.items() if source.followed}
        return syntax_faults(followed, self._read, versions, store)

    def save(self) -> None:
        """Remember the facts that were read."""
        for group, memory in self._memories.items():
            memory.save(self._groups[group].values())

    def _open(self, group: str) -> GroupMemory[ModuleFacts]:
        if not self._groups:
            for path, source in self._sources.items():
                self._groups.setdefault(source.group, {})[path] = source.digest
        memory = GroupMemory(GroupFacts, self._groups[group], (self._python, group), self._store)
        self._memories[group] = memory
        return memory
