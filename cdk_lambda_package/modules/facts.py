"""What a Python module's source says, read without running it, whatever the host's Python.

The same source gives the same facts on every host: it isn't read by the host's own parser, which knows one version.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

STAR = ("*",)
"""The names of a star import."""


class Kind(enum.StrEnum):
    """What a name at a module's top level is bound to, as far as the source tells."""

    FUNCTION = "function"
    """A function or lambda that can be called with two positional arguments, as Lambda calls a handler."""
    MISFIT = "function that doesn't take two arguments"
    COROUTINE = "coroutine function"
    CLASS = "class"
    MISFIT_CLASS = "class that isn't made with two arguments"
    MODULE = "module"
    """By `import name`."""
    IMPORTED = "imported name"
    """By `from module import name`, whatever it is there."""
    CHALICE = "Chalice app"
    VALUE = "value"
    """A literal, which can't be called."""
    OTHER = "object"
    """Anything else, such as what a call returned, or a decorator made of a function."""


class Binding(NamedTuple):
    """A name that a module binds at its top level; `line` is where it does so last, from 1, and `first` where first."""

    name: str
    kind: Kind
    line: int
    first: int


class ImportStatement(NamedTuple):
    """One imported module: `import a.b` is ("a.b", 0, ()), `from ..c import d` is ("c", 2, ("d",)), `*` a name too.

    `certain` tells that it runs whenever the module is imported: it isn't in a function, under a condition that can't
    be evaluated for the target, or under TYPE_CHECKING. `guarded` tells that the module outlives its failure, by an
    `except ImportError` or `contextlib.suppress`, in which case nobody needs to know.

    `if_missing` and `if_found` are indices of other statements of the module: this one runs only if one of the former
    failed (it stands in their `except`), and if all of the latter succeeded (it stands in their `else`).

    `by_name` tells that it is a call that is given the module's name, which is never `certain`.
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

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> ImportStatement:
        """Return what was written as JSON."""
        module, level, names, line, certain, guarded, if_missing, if_found, by_name = row
        return cls(module, level, tuple(names), line, certain, guarded, tuple(if_missing), tuple(if_found), by_name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleFacts:
    """A module's imports in the order in which they stand, and the names that it binds.

    `opaque` tells that more names may be bound than can be read: by a module `__getattr__` (PEP 562), `exec` or
    `globals()`. What star imports bind isn't among the names either. `exported` is `__all__`, where it is a plain list;
    if that is None and `__all__` is bound, nobody knows what a star import takes. `changes_path` tells that modules may be
    found elsewhere than in the package, or made up: `sys.path`, finders, `sys.modules` or the package's `__path__` are
    changed, if only in a function. What `pkgutil.extend_path` does to a namespace package doesn't count.

    `given` are names that other modules get from this one, if only in a function: `orders.find` after `orders.find = …`
    where `orders` is imported, by the last part of the module's name; `orders.*` where the name can't be read.
    `imports_any` tells that it may import modules by names that can't be read.
    """

    imports: tuple[ImportStatement, ...] = ()
    bindings: tuple[Binding, ...] = ()
    opaque: bool = False
    exported: tuple[str, ...] | None = None
    changes_path: bool = False
    given: tuple[str, ...] = ()
    imports_any: bool = False

    @property
    def complete(self) -> bool:
        """True if no names are bound but those in `bindings`."""
        return not self.opaque and not any(statement.names == STAR for statement in self.imports)
