"""What is known of a module's names while it is read: what they are bound to, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from cdk_lambda_package.import_analysis.facts import Binding, Kind
from cdk_lambda_package.import_analysis.source import (
    dotted_name_of,
    name_of,
    part_of,
    parts_of,
    takes_arguments,
    unwrap,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_LITERALS = frozenset(
    {"concatenated_string", "dictionary", "dictionary_comprehension", "expression_list", "false", "float", "integer", "list",
     "list_comprehension", "none", "set", "set_comprehension", "string", "true", "tuple"}
)  # fmt: skip

_CHALICE = "Chalice"

# Kinds that an alias keeps. A second name of a Chalice app isn't a second app.
_KEPT_BY_ALIAS = frozenset(
    {Kind.FUNCTION, Kind.MISFIT, Kind.COROUTINE, Kind.CLASS, Kind.MISFIT_CLASS, Kind.MODULE, Kind.VALUE}
)


class Flag(NamedTuple):
    """A name that says whether imports, given by their indices, succeeded: it is then true if `when_found`, else false."""

    imports: tuple[int, ...]
    when_found: bool = True


class NameTable:
    """The names of a module in order of their first appearance.

    Attributes:
        constants: The values of names that certainly hold one, for conditions.
        origins: What imported names are elsewhere: after `import sys as s`, s is `sys`.
        aliases: Those imported names, encoded, that hide something which is searched for by its name.
        flags: Names that say whether imports succeeded.
        asked: Names that have to do with the question whether a module is installed, other than flags.
        asks: Whether the module asks that question anywhere.
    """

    def __init__(self) -> None:
        self._bindings: dict[str, Binding] = {}
        self.origins: dict[str, str] = {}
        self.constants: dict[str, object] = {}
        self.aliases: set[bytes] = set()
        self.flags: dict[str, Flag] = {}
        self.asks = True
        self.asked: set[bytes] = set()
        self._chalice_classes = {_CHALICE}

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The names that are bound when the module has run."""
        return tuple(self._bindings.values())

    def kind_of(self, name: str) -> Kind | None:
        """Return what a name is bound to so far."""
        binding = self._bindings.get(name)
        return binding.kind if binding else None

    def bind(self, name: str, kind: Kind, line: int, *, straight: bool) -> None:
        """Note that a name is bound. Unless `straight`, it may keep its former value."""
        self.constants.pop(name, None)
        self.origins.pop(name, None)
        self.flags.pop(name, None)
        self.asked.discard(name.encode())
        before = self._bindings.get(name)
        if before is not None and not straight:
            kind = join_kinds(before.kind, kind)
        self._bindings[name] = Binding(name, kind, line, before.first if before is not None else line)

    def unbind(self, name: str) -> None:
        """Note that a name is deleted."""
        for known in (self._bindings, self.constants, self.origins, self.flags):
            known.pop(name, None)

    def note_class(self, name: str, bases: Iterable[Node]) -> None:
        """Note a class. A subclass of `Chalice` makes Chalice apps too."""
        if any(self._is_chalice(base) for base in bases):
            self._chalice_classes.add(name)

    def origin_of(self, node: Node) -> str | None:
        """Return the full name of a name or attribute: `s.path` is `sys.path` after `import sys as s`."""
        dotted = dotted_name_of(node)
        if dotted is None:
            return None
        first, dot, rest = dotted.partition(".")
        return f"{self.origins.get(first, first)}{dot}{rest}"

    def kind_of_value(self, node: Node) -> Kind:
        """Return the kind of value that an expression has."""
        node = unwrap(node)
        match node.type:
            case "lambda":
                return Kind.FUNCTION if takes_arguments(part_of(node, "parameters"), 2) else Kind.MISFIT
            case "identifier":
                kind = self.kind_of(name_of(node))
                return kind if kind in _KEPT_BY_ALIAS else Kind.OTHER
            case "call" if self._is_chalice(part_of(node, "function")):
                return Kind.CHALICE
            case "conditional_expression":
                first, *_, last = parts_of(node)
                return join_kinds(self.kind_of_value(first), self.kind_of_value(last))
            case "named_expression" if value := part_of(node, "value"):
                return self.kind_of_value(value)
        return Kind.VALUE if node.type in _LITERALS else Kind.OTHER

    def _is_chalice(self, node: Node | None) -> bool:
        origin = self.origin_of(node) if node is not None else None
        return origin is not None and origin.rpartition(".")[2] in self._chalice_classes


def join_kinds(one: Kind, other: Kind) -> Kind:
    """Return the kind of a name that is bound to either: a Chalice app if one of them is, since apps are searched for."""
    if Kind.CHALICE in (one, other):
        return Kind.CHALICE
    return one if one is other else Kind.OTHER
