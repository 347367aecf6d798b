"""The modules of a package and its layers: found by their full names as Python would, with what their sources say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from cdk_lambda_package.import_analysis.facts import ANY_MODULE, STAR, ImportStatement, ModuleFacts, SourceFile
from cdk_lambda_package.import_analysis.finder import Environment, ModuleFinder, Provision
from cdk_lambda_package.import_analysis.graph import packages_around
from cdk_lambda_package.import_analysis.lazy_tables import read_stub
from cdk_lambda_package.import_analysis.memory import module_memory
from cdk_lambda_package.import_analysis.reading import ModuleReader
from cdk_lambda_package.store import Store
from cdk_lambda_package.target import PythonVersion

# Files for type checkers (PEP 561), which make no module.
_TYPES = (".pyi", "/py.typed")


class Modules:
    """Finds modules in `sources`, by path, and reads each once.

    `read` returns the content of a path, and `parse` what a source says. `paths` are the paths of all files, `own` those of the
    sources that the user edits. What was read is remembered in the `store` once `memory.save` is called.

    Example:
        `Modules(sources, read, read_module, Environment(python=(3, 13))).path_of("lib.fields")` is "lib/fields.py".
    """

    def __init__(
        self,
        sources: Mapping[str, SourceFile],
        read: Callable[[str], bytes],
        parse: Callable[[bytes, PythonVersion], ModuleFacts],
        environment: Environment,
        *,
        paths: Collection[str] | None = None,
        own: Collection[str] = frozenset(),
        store: Store | None = None,
    ) -> None:
        self.sources = sources
        self.paths = sources if paths is None else paths
        self.own = frozenset(own)
        self.python = environment.python
        self.finder = ModuleFinder(self.paths, environment)
        self.memory = module_memory(sources, environment.python, store)
        self._read, self._parse = read, parse
        self._facts: dict[str, ModuleFacts] = {}

    # Sources

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source at `path` says; nothing for the path "", that of no module."""
        if path not in self._facts:
            self._facts[path] = self._complete(path) if path else ModuleFacts()
        return self._facts[path]

    def _complete(self, path: str) -> ModuleFacts:
        """Return what the source at a path says, with the names that it reads from the .pyi file beside it."""
        facts, stub = self._own_facts(path), f"{path}i"
        if stub not in self.sources or not any(one.stub for one in facts.imports):
            return facts
        return replace(facts, lazy=(*facts.lazy, *read_stub(self.facts(stub).imports)))

    def _own_facts(self, path: str) -> ModuleFacts:
        """Return what the source at a path says itself."""
        if not self.memory.knows(path):
            self.memory.add(path, self._parse(self._read(path), self.python))
        return self.memory.value(path)

    def says_the_same(self, path: str, digest: str) -> bool:
        """Return whether the source at `path` says what one with another digest said there before, if maybe on other lines."""
        before = self.memory.earlier(path, digest)
        return before is not None and before.without_lines() == self._own_facts(path).without_lines()

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Read what the modules at `paths` lead to, wave by wave, so that many are read at once.

        Only modules that are new are followed. What a trace wouldn't read is left out: imports that replace others.
        """
        wave, seen = set(paths), set[str]()
        with ModuleReader(self._parse, self.python) as reader:
            while wave:
                seen |= wave
                missing = {path: self._read(path) for path in sorted(wave) if path and not self.memory.knows(path)}
                for path, facts in reader.read(missing).items():
                    self.memory.add(path, facts)
                followed = missing if seen > wave else wave
                wave = {target for path in followed for target in self._targets_of(path)} - seen

    def _targets_of(self, path: str) -> Iterator[str]:
        """Yield the paths of the modules that may run by the statements of the module at `path`."""
        for statement in self.facts(path).imports:
            for module in (
                modules_of(self.absolute_name(path, statement), statement) if not statement.if_missing else ()
            ):
                target = self.path_of(module)
                if target is not None:
                    yield from (*packages_around(target, self.sources), target)

    # Names of modules

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its full name, if its source can be read."""
        found = self.finder.find(module)
        return found.path if found is not None and found.path in self.sources else None

    def matching(self, name: str) -> tuple[str, ...]:
        """Return the full names of the modules in one package that a name with `*` for unknown parts may be, sorted."""
        package, _, pattern = name.rpartition(".")
        # No code of another module asks for `__init__`, and it asks for a name that begins with an underscore by that.
        hidden = "(?!_)" if pattern.startswith(ANY_MODULE) else "(?!__)"
        shape = re.compile(hidden + re.escape(pattern).replace(re.escape(ANY_MODULE), r"\w+"), re.A)
        names = (f"{package}.{one}" for one in sorted(self.finder.submodules(package)) if shape.fullmatch(one))
        return tuple(one for one in names if self.path_of(one) is not None)

    def full_name(self, path: str) -> str:
        """Return the full name of the module at a path, which may be in a layer."""
        return self.finder.below_root(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def absolute_name(self, path: str, statement: ImportStatement) -> str | None:
        """Return the full name of the module that a statement imports; the module at `path` may be in a layer.

        None if it leads nowhere.
        """
        return _absolute_name(self.finder.below_root(path), statement) if statement.level else statement.module

    def named(self, path: str, written: str) -> str | None:
        """Return the full name of what the module at `path` writes as an import does, such as `.fields`; None if it leads nowhere."""
        name = written.lstrip(".")
        return self.absolute_name(
            path, ImportStatement(name, len(written) - len(name), (), 0, certain=False, guarded=False)
        )

    def module_of(self, path: str, statement: ImportStatement) -> str | None:
        """Return the path of the module that a statement imports, if its source can be read."""
        module = self.absolute_name(path, statement)
        return self.path_of(module) if module else None

    # Modules without a file

    def provision(self, path: str) -> Provision:
        """Return what the module at `path` may provide that isn't found where Python searches."""
        group = self.sources[path].group if path in self.sources else None

        def owns(other: str) -> bool:
            source = self.sources.get(other)
            return source is None or source.group == group

        def serves(other: str) -> bool:
            # A finder of a distribution, such as wrapt's, doesn't know the modules of others by new names.
            return path in self.own or other in self.own or (owns(other) and not other.endswith(_TYPES))

        return Provision(path, self.facts(path).changes, self.finder, owns, serves)

    def may_make(self, path: str, module: str) -> bool:
        """Return whether the module at `path`, or one that it imports beside it, may provide a module without a file.

        Such as `tlz`, whose `_build_tlz` adds a finder that makes its submodules.
        """
        top = path.partition("/")[0]
        imported = (self.path_of(name) for one in self.facts(path).imports if one.certain
                    for name in modules_of(self.absolute_name(path, one), one))  # fmt: skip
        beside = (target for target in imported if target is not None and target.partition("/")[0] == top)
        return any(self.provision(one).may_make(module) for one in (path, *beside))


def modules_of(module: str | None, statement: ImportStatement) -> Iterator[str]:
    """Yield the modules that a statement may import: a name may be that of a submodule."""
    if module:
        yield module
        yield from (f"{module}.{name}" for name in statement.names if statement.names != STAR)


def _absolute_name(path: str, statement: ImportStatement) -> str | None:
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
