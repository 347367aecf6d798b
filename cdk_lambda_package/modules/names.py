"""What is known of a module's names while it is read: what they are bound to, and where they come from. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from cdk_lambda_package.modules.facts import Binding, Kind
from cdk_lambda_package.modules.signatures import takes_arguments
from cdk_lambda_package.modules.syntax_tree import dotted_name_of, name_of, part_of, parts_of, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

_LITERALS = frozenset(
    {
        "concatenated_string",
        "dictionary",
        "dictionary_comprehension",
        "expression_list",
        "false",
        "float",
        "integer",
        "list",
        "list_comprehension",
        "none",
        "set",
        "set_comprehension",
        "string",
        "true",
        "tuple",
    }
)

_CHALICE = "Chalice"

# What an alias keeps of the name that it stands for; a second name of an app isn't a second app.
_KEPT_BY_ALIAS = frozenset(
    {Kind.FUNCTION, Kind.MISFIT, Kind.COROUTINE, Kind.CLASS, Kind.MISFIT_CLASS, Kind.MODULE, Kind.VALUE}
)


class Flag(NamedTuple):
    """What a name tells: it is true, if `when_found`, or else false, after the imports with these indices succeeded."""

    imports: tuple[int, ...]
    when_found: bool = True


class NameTable:
    """The names of a module in order of their first appearance.

    `constants` has the values of those that are certain to hold one, as conditions need them. `origins` says of
    imported names what they are elsewhere: after `import sys as s`, s is `sys`. `aliases` are those among them, encoded,
    by which something goes that is looked for by its name. `flags` tell whether imports succeeded; `asked` have to do
    with such a question otherwise. `asks` tells whether the module asks such questions at all.
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
        """What is bound when the module has run."""
        return tuple(self._bindings.values())

    def kind_of(self, name: str) -> Kind | None:
        """Return what a name is bound to so far."""
        binding = self._bindings.get(name)
        return binding.kind if binding else None

    def bind(self, name: str, kind: Kind, line: int, *, straight: bool) -> None:
        """Note that a name is bound; unless `straight`, it may as well keep what it had."""
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
        """Note a class, which is one of Chalice apps if a base is."""
        if any(self._is_chalice(base) for base in bases):
            self._chalice_classes.add(name)

    def origin_of(self, node: Node) -> str | None:
        """Return a name or attribute as its module has it: `s.path` is `sys.path` after `import sys as s`."""
        dotted = dotted_name_of(node)
        if dotted is None:
            return None
        first, dot, rest = dotted.partition(".")
        return f"{self.origins.get(first, first)}{dot}{rest}"

    def kind_of_value(self, node: Node) -> Kind:
        """Return what an expression comes to."""
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
    """Return what a name is that is bound to either: a Chalice app if it may be one, since that is what is looked for."""
    if Kind.CHALICE in (one, other):
        return Kind.CHALICE
    return one if one is other else Kind.OTHER
