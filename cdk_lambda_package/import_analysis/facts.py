"""The facts in a Python module's source, as values.

The same source gives the same facts on every host, since the host's own parser isn't used.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

STAR = ("*",)
"""The names of a star import."""


ANY_MODULE = "*"
"""The name of a module that is computed."""


class NameKind(enum.StrEnum):
    """The kind of object that a name at a module's top level is bound to, as far as the source shows it.

    Example:
        `NameKind.FUNCTION` for `def handler(event, context): ...`.
    """

    FUNCTION = "function"
    """A function or lambda that accepts two positional arguments, as a handler of Lambda must."""
    MISFIT = "function or class that doesn't take two arguments"
    COROUTINE = "coroutine function"
    DECORATED = "decorated function"
    VIEW = "view function of a Chalice app"
    """Which stays a function of the request's parameters."""
    CLASS = "class"
    MODULE = "module"
    """By `import name`."""
    IMPORTED = "imported name"
    """By `from module import name`; the module says what it is."""
    CHALICE = "Chalice app"
    VALUE = "value"
    """A literal, which can't be called."""
    OTHER = "object"
    """Anything else, such as the result of a call."""


class Binding(NamedTuple):
    """A name that a module binds at its top level: the `line` of the last binding, from 1, and of the `first`.

    The line of a name that an import binds is that of the import's beginning.

    Example:
        `Binding("handler", NameKind.FUNCTION, line=3, first=3)`
    """

    name: str
    kind: NameKind
    line: int
    first: int


class ImportStatement(NamedTuple):
    """One imported module: `import a.b` is ("a.b", 0, ()), `from ..c import d` is ("c", 2, ("d",)).

    `certain` is True if the statement runs whenever the module is imported: it isn't in a function, under TYPE_CHECKING,
    or under a condition that can't be evaluated for the target. `guarded` is True if the module survives the failure of
    the import, by `except ImportError` or `contextlib.suppress`.

    `if_missing` and `if_found` are indices of other statements of the module. The statement runs only if one of
    `if_missing` failed (it is in their `except`) and all of `if_found` succeeded (it is in their `else`).

    `deferred` is True in a function that the module isn't known to call while it is imported; `function` is its name, such as
    `Class.method`.

    `by_name` is True for a call with the module's name, such as `import_module("a")`.

    `stub` is True for a call that reads the names of lazy imports from the module's own .pyi file, as `attach_stub` of lazy_loader: it
    fails without that file.

    `read` is True for an attribute of a standard module that this version lacks, such as `collections.Mapping`: reading it fails
    as importing it does, and `guarded` and `if_missing` are about `except AttributeError`.

    `tolerant` is True if the module survives another error of what it imports, by `except KeyError`: the imported module may end
    before it comes to an import that fails.

    Example:
        `ImportStatement("yaml", 0, (), line=1, certain=True, guarded=False)`
    """

    module: str
    level: int
    names: tuple[str, ...]
    line: int
    certain: bool
    guarded: bool
    if_missing: tuple[int, ...] = ()
    if_found: tuple[int, ...] = ()
    by_name: bool = False
    deferred: bool = False
    read: bool = False
    function: str = ""
    stub: bool = False
    tolerant: bool = False


class FunctionRun(NamedTuple):
    """What a call of a function or class certainly imports, by indices of the module's imports.

    It does so `unless` the call gives one of these arguments: names, and places from 0. Some of these calls are the first
    ones of all only if no other call gives such an argument.

    `through` are the names of the functions, classes and methods that lead there: with another one in the place of one of
    these, the call may import something else.

    Example:
        `FunctionRun("Tracer", imports=(12,), unless=("4", "provider"), through=("Tracer", "__init__", "_load"))`
    """

    function: str
    imports: tuple[int, ...]
    unless: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


class StartedCall(NamedTuple):
    """A call of an imported function or class, by its name in full, that certainly runs when the module is imported.

    `given` are the arguments that calls of it in the module give: names, places from 0, and `*` if any may be given.
    `line` is that of the first call, from 1.

    Example:
        `StartedCall("aws_lambda_powertools.Tracer", ("service",), line=3)`
    """

    name: str
    given: tuple[str, ...]
    line: int


class ChangeKind(enum.StrEnum):
    """The kind of thing that a module adds to what Python finds.

    Example:
        `ChangeKind.FOLDER` for `sys.path.append("vendor")`.
    """

    FOLDER = "folder"
    """A folder to search, relative to that of the module, or absolute on Lambda."""
    MODULE = "entry of sys.modules"
    """Its name; with a dot in front if it is below the module's own, and `*` at the end for any that begins so."""
    COMPUTED = "folder or entry that isn't in the source"
    FINDER = "finder"
    """An importer, which may find anything."""


class PathChange(NamedTuple):
    """An addition to what Python finds.

    Example:
        `PathChange(ChangeKind.FOLDER, "vendor")` for `sys.path.append(os.path.join(os.path.dirname(__file__), "vendor"))`.
    """

    kind: ChangeKind
    name: str = ""


class LazyName(NamedTuple):
    """A name that a package imports from a submodule when it is asked for, if there is such a module.

    `module` is relative to the package, with dots in front or without, or a full name.

    Example:
        `LazyName("Field", ".fields")`
    """

    name: str
    module: str


class OpenedLibrary(NamedTuple):
    """A shared library that a module opens by literal names, of which one must be there; `line` counts from 1.

    It is `deferred` if it is opened in a function. It is opened only if `by`, the full name of an imported function that gets
    the names, opens what it is given; "" if that is certain.

    Example:
        `OpenedLibrary(("pango-1.0", "libpango-1.0.so.0"), line=3)`
    """

    names: tuple[str, ...]
    line: int
    deferred: bool = False
    by: str = ""


class ComputedImport(NamedTuple):
    """An import of a module whose name isn't that of an import statement, at a line, from 1.

    `name` is what a call gives to the imported function `by`, a full name, if that imports what it is given; "" for a function that
    certainly does. Else it has `*` in place of each part that isn't in the source, and dots in front if it is relative. It is
    `deferred` in a function.

    Example:
        `ComputedImport("boto3.s3.inject.inject_bucket_methods", 519, deferred=True, by="boto3.utils.lazy_call")`
    """

    name: str
    line: int
    deferred: bool
    by: str = ""


class AnswererFactory(NamedTuple):
    """A function that makes the `__getattr__` of the module whose name it is given.

    `keys` are what the made function has an answer to: a module's full name, the `separator`, and a name.

    Example:
        `AnswererFactory("getattr_migration", ":", ("pydantic:PyObject",))`
    """

    name: str
    separator: str
    keys: tuple[str, ...]


ANY_SUBMODULE = LazyName("*", "*")
"""Any submodule may be imported when its name is asked for."""


@dataclass(frozen=True, kw_only=True)
class ModuleFacts:
    """A module's imports in order, and the names that it binds.

    Attributes:
        imports: All import statements, those in functions too.
        bindings: The names at the top level, without those of star imports.
        opaque: True if more names may be bound: by a module `__getattr__` (PEP 562), `exec` or `globals()`.
        exported: `__all__` if it is a plain list. If it is None and `__all__` is bound, the names that a star import
            binds are unknown.
        changes: Where else modules may be found, or how they are made up: the module adds to `sys.path`, finders,
            `sys.modules` or its `__path__`, if only in a function. `pkgutil.extend_path` doesn't count.
        given: Names that this module assigns to other modules, if only in a function: `orders.find` for
            `orders.find = …`, by the last part of the module's name, `orders.*` for an unknown name, and `*.find` for a module whose name is computed.
        passed: The full names, as imports write them, of what it passes whole to other code: if that is a module, it may be given
            any name.
        meddlers: Its functions and classes that may bind names in the module that uses them.
        lazy: Names in tables of lazy imports, each with a module that it may come from.
        opened: The shared libraries that it opens by name, where nothing catches the failure.
        openers: Its functions that open the libraries whose names they are given.
        importers: Its functions that import the modules whose names they are given.
        computed: Imports by names that are given to such functions, or that the source has in part.
        uses: Imported names that are used while the module is imported, in full, as imports write them, with `()` after one that
            is called.
        named: Texts that may be the name of a module, if one is imported by a computed name while the module is imported.
        calls: Pairs of functions of the module that may run imports, or classes, and such a function that they call.
        started: Calls of imported functions and classes that certainly run when the module is imported, where nothing catches
            the failure of an import.
        runs: What calls of its functions and classes certainly import.
        bases: Pairs of its classes and imported bases, in full; a metaclass has `metaclass=` in front.
        factories: Its functions that make the `__getattr__` of other modules.
        answerer: The full name, as imports write it, of the imported function that made the `__getattr__` of this module, or
            the function to which it passes names on that it has no answer to.

    Example:
        `analysis.facts("app.py").imports[0].module` is "yaml".
    """

    imports: tuple[ImportStatement, ...] = ()
    bindings: tuple[Binding, ...] = ()
    opaque: bool = False
    exported: tuple[str, ...] | None = None
    changes: tuple[PathChange, ...] = ()
    given: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    meddlers: tuple[str, ...] = ()
    lazy: tuple[LazyName, ...] = ()
    opened: tuple[OpenedLibrary, ...] = ()
    openers: tuple[str, ...] = ()
    importers: tuple[str, ...] = ()
    computed: tuple[ComputedImport, ...] = ()
    uses: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    started: tuple[StartedCall, ...] = ()
    runs: tuple[FunctionRun, ...] = ()
    bases: tuple[tuple[str, str], ...] = ()
    factories: tuple[AnswererFactory, ...] = ()
    answerer: str = ""

    @property
    def complete(self) -> bool:
        """True if `bindings` are all names that the module binds."""
        return not self.opaque and not self.answerer and not any(statement.names == STAR for statement in self.imports)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the module binds itself."""
        return tuple(binding.name for binding in self.bindings)

    def binding(self, name: str) -> Binding | None:
        """Return where the module binds a name itself."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Binding]:
        return {binding.name: binding for binding in self.bindings}

    def without_lines(self) -> ModuleFacts:
        """Return these facts with each line replaced by its rank among them.

        What a module does follows from the order of its lines. If two sources are equal so, importing one does what importing the other does.
        """
        told = {name: value for name, value in vars(self).items() if isinstance(value, tuple)}
        lines = sorted({line for value in told.values() for one in value for line in _lines_of(one).values()})
        ranks = {line: rank for rank, line in enumerate(lines)}

        def ranked(one: Any) -> Any:
            numbers = _lines_of(one)
            return one._replace(**{name: ranks[line] for name, line in numbers.items()}) if numbers else one

        changed: dict[str, Any] = {name: tuple(map(ranked, value)) for name, value in told.items()}
        return replace(self, **changed)

    def answers(self, name: str) -> bool:
        """Return whether the module asks its `__getattr__` for a name, since it doesn't bind it otherwise."""
        binding, function = self.binding(name), self.binding("__getattr__")
        # The names that the function is known to have an answer to are bound on its line.
        return binding is None or (function is not None and binding.line == function.line and binding != function)


def _lines_of(one: object) -> dict[str, int]:
    """Return the fields of a fact that are lines."""
    return {name: getattr(one, name) for name in ("line", "first") if hasattr(one, name)}


class SourceFile(NamedTuple):
    """A file with Python source.

    Attributes:
        digest: The sha256 (hex) of its content.
        group: The facts of a group's files are remembered together, such as those of one distribution. Groups of one name
            share what is remembered, in all packages.
        segment: The key of the group's segment, if the group is a wheel: its facts are the same in every package.

    Example:
        `SourceFile(digest=sha256, group="vendor")`
    """

    digest: str
    group: str
    segment: str | None = None


class TextFault(NamedTuple):
    """Why a source can't be compiled; ordered by line and column, from 1. It isn't `certain` if the parser gave up.

    Example:
        `TextFault(4, 1, "Cannot use `match` statement on Python 3.9 …")`
    """

    line: int
    column: int
    message: str
    certain: bool = True
