"""Collects the facts of a module while its statements are read."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import UNKNOWN, Conditions, NameTable
from cdk_lambda_package.import_analysis.expressions import (
    ChangedPath,
    DynamicImport,
    Effect,
    ExpressionScanner,
    GivenName,
    OpaqueNames,
    Walrus,
    extends_namespace,
    hides_origin,
)
from cdk_lambda_package.import_analysis.facts import ImportStatement, ModuleFacts, NameKind
from cdk_lambda_package.import_analysis.guards import asks_for_module
from cdk_lambda_package.import_analysis.source import (
    code_of,
    dotted_name_of,
    line_of,
    name_of,
    string_of,
    strings_of,
    target_nodes,
)
from cdk_lambda_package.target import PythonVersion

# Types of values that later conditions may depend on.
_CONSTANTS = frozenset(
    {"attribute", "boolean_operator", "call", "comparison_operator", "false", "integer", "not_operator", "subscript",
     "true"}
)  # fmt: skip


class Scope(enum.Enum):
    """Whose names a statement binds."""

    MODULE = enum.auto()
    CLASS = enum.auto()
    FUNCTION = enum.auto()


class Context(NamedTuple):
    """Under which circumstances a statement runs.

    `certain`, `if_missing` and `if_found` are those of `ImportStatement`. `straight` is True if no other statement may
    run in its place. `guards` counts what survives a failed import around it. `there` are imports that a condition asked
    for: the statement runs only if they succeeded.
    """

    scope: Scope = Scope.MODULE
    certain: bool = True
    straight: bool = True
    guards: int = 0
    if_missing: tuple[int, ...] = ()
    if_found: tuple[int, ...] = ()
    there: tuple[int, ...] = ()

    def doubt(self) -> Context:
        """Return the context of a statement that may run."""
        return self._replace(certain=False, straight=False)

    def branch(self) -> Context:
        """Return the context of a statement whose effect another one may undo."""
        return self._replace(straight=False)

    def guard(self) -> Context:
        """Return the context of a statement that may fail to import something."""
        return self._replace(straight=False, guards=self.guards + 1)


class FactsCollector:
    """Collects what the reader of a module finds."""

    def __init__(self, python: PythonVersion, code: bytes) -> None:
        self.names = NameTable()
        self.conditions = Conditions(python, self.names)
        self._scanner = ExpressionScanner(self.names, self.conditions.holds, code)
        self._imports: list[ImportStatement] = []
        self._guards: list[int | None] = []
        self._opaque = False
        self._changes_path = False
        self._given: dict[str, None] = {}
        self._exported: list[str] | None = None
        self._exports_known = True

    def facts(self) -> ModuleFacts:
        """Return what was collected."""
        exported = self._exported if self._exports_known else None
        return ModuleFacts(
            imports=tuple(self._imports),
            bindings=self.names.bindings,
            opaque=self._opaque or self.names.kind_of("__getattr__") is not None,
            exported=tuple(exported) if exported is not None else None,
            changes_path=self._changes_path,
            given=tuple(self._given),
        )

    def note_unreadable(self) -> None:
        """Note that unknown names may be bound."""
        self._opaque = True

    def add_import(
        self, module: str, level: int, names: tuple[str, ...], line: int, context: Context, *, by_name: bool = False
    ) -> None:
        """Add an imported module."""
        self._guards.append(context.guards if context.scope is not Scope.FUNCTION else None)
        self._imports.append(
            ImportStatement(
                module=module,
                level=level,
                names=names,
                line=line,
                certain=context.certain,
                guarded=context.guards > 0 or self._is_there(module, context),
                if_missing=context.if_missing,
                if_found=context.if_found,
                by_name=by_name,
            )
        )

    def _is_there(self, module: str, context: Context) -> bool:
        """Return whether a part of the same package was found, so that this one may be there too."""
        top = module.partition(".")[0]
        return any(self._imports[index].module.partition(".")[0] == top for index in context.there)

    @property
    def count(self) -> int:
        """How many imports were added."""
        return len(self._imports)

    def uncaught_since(self, start: int, context: Context) -> tuple[int, ...]:
        """Return which imports, from index `start` on, end the block of this context if they fail."""
        found = enumerate(self._guards[start:], start)
        return tuple(index for index, guards in found if guards is not None and guards <= context.guards)

    def bind(self, node: Node, kind: NameKind, context: Context, *, origin: str | None = None) -> None:
        """Bind a name, unless it belongs to a class or function."""
        name = name_of(node)
        if context.scope is Scope.MODULE:
            self.names.bind(name, kind, line_of(node), straight=context.straight)
            if name == "__all__":
                self._exports_known = False
            elif name == "__path__":
                self._changes_path = True
        if origin is not None:
            self.names.origins[name] = origin
            if hides_origin(name, origin):
                self.names.aliases.add(name.encode())

    def bind_target(self, target: Node, kind: NameKind, context: Context) -> None:
        """Bind the names of a target; `kind` is that of a target with one name."""
        for node in target_nodes(target):
            if node.type == "identifier":
                self.bind(node, kind if node == target else NameKind.OTHER, context)
            else:
                self._apply(self._scanner.effects_on_target(node), context)

    def delete(self, target: Node, context: Context) -> None:
        """Unbind the names of a target."""
        for node in target_nodes(target):
            if node.type != "identifier":
                self._apply(self._scanner.effects_on_target(node), context)
            elif context.scope is Scope.MODULE and context.straight:
                self.names.unbind(name_of(node))

    def assign(self, targets: Iterable[Node], value: Node, context: Context) -> None:
        """Bind targets to a value."""
        kind = self.names.kind_of_value(value)
        known = self.conditions.evaluate(value) if context.straight and value.type in _CONSTANTS else UNKNOWN
        for target in targets:
            path_changed = self._changes_path
            self.bind_target(target, kind, context)
            if target.type == "identifier" and context.scope is Scope.MODULE:
                self._note_value(name_of(target), value, known, context)
            if target.type == "identifier" and asks_for_module(value, self.names):
                self.names.asked.add(code_of(target))
            if dotted_name_of(target) == "__path__" and extends_namespace(value):
                self._changes_path = path_changed

    def _note_value(self, name: str, value: Node, known: object, context: Context) -> None:
        if known is not UNKNOWN:
            self.names.constants[name] = known
        if name == "__all__":
            self._exported = strings_of(value)
            self._exports_known = context.straight and self._exported is not None

    def extend_exports(self, value: Node | None, context: Context, *, one: bool = False) -> None:
        """Add to `__all__` what a list has, or `one` name."""
        more = strings_of(value) if value is not None and not one else None
        if value is not None and one and (name := string_of(value)) is not None:
            more = [name]
        if more is None or self._exported is None or not context.straight:
            self._exports_known = False
        else:
            self._exported += more

    def scan(self, node: Node, context: Context) -> None:
        """Collect the effects of an expression."""
        self._apply(self._scanner.scan(node, at_top_level=context.scope is Scope.MODULE), context)

    def _apply(self, effects: Iterable[Effect], context: Context) -> None:
        for effect in effects:
            match effect:
                case Walrus(name=name, value=value):
                    # It may be after an `and`, or in an empty comprehension.
                    self.bind(name, self.names.kind_of_value(value), context.branch())
                case DynamicImport(module=module, level=level, call=call):
                    self.add_import(module, level, (), line_of(call), context.doubt(), by_name=True)
                case OpaqueNames():
                    self._opaque = True
                case ChangedPath():
                    self._changes_path = True
                case GivenName(name=given):
                    self._given[given] = None
