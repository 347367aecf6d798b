"""What a Python module's source says, as values.

The same source gives the same facts on every host, since the host's own parser isn't used.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

STAR = ("*",)
"""The names of a star import."""


class NameKind(enum.StrEnum):
    """What a name at a module's top level is bound to, as far as the source says."""

    FUNCTION = "function"
    """A function or lambda that accepts two positional arguments, as a handler of Lambda must."""
    MISFIT = "function that doesn't take two arguments"
    COROUTINE = "coroutine function"
    CLASS = "class"
    MISFIT_CLASS = "class that isn't made with two arguments"
    MODULE = "module"
    """By `import name`."""
    IMPORTED = "imported name"
    """By `from module import name`; the module says what it is."""
    CHALICE = "Chalice app"
    VALUE = "value"
    """A literal, which can't be called."""
    OTHER = "object"
    """Anything else, such as the result of a call or of a decorator."""


class Binding(NamedTuple):
    """A name that a module binds at its top level: the `line` of the last binding, from 1, and of the `first`."""

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

    `by_name` is True for a call with the module's name, such as `import_module("a")`; it is never `certain`.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleFacts:
    """A module's imports in order, and the names that it binds.

    Attributes:
        imports: All import statements, those in functions too.
        bindings: The names at the top level, without those of star imports.
        opaque: True if more names may be bound: by a module `__getattr__` (PEP 562), `exec` or `globals()`.
        exported: `__all__` if it is a plain list. If it is None and `__all__` is bound, the names that a star import
            binds are unknown.
        changes_path: True if modules may be found elsewhere or made up: the module changes `sys.path`, finders,
            `sys.modules` or its `__path__`, if only in a function. `pkgutil.extend_path` doesn't count.
        given: Names that this module assigns to other modules, if only in a function: `orders.find` for
            `orders.find = …`, by the last part of the module's name, and `orders.*` for an unknown name.
    """

    imports: tuple[ImportStatement, ...] = ()
    bindings: tuple[Binding, ...] = ()
    opaque: bool = False
    exported: tuple[str, ...] | None = None
    changes_path: bool = False
    given: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if `bindings` are all names that the module binds."""
        return not self.opaque and not any(statement.names == STAR for statement in self.imports)
