"""Reads what a module's source says: its imports, each with what it depends on, and the names that it binds. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cdk_lambda_package.modules.bound_targets import find_aliases, find_captures
from cdk_lambda_package.modules.facts import Kind, ModuleFacts
from cdk_lambda_package.modules.import_flags import find_flags, list_told
from cdk_lambda_package.modules.import_guards import (
    always_raises,
    asks_for_module,
    body_of,
    find_import_handler,
    forgives,
    leaves,
    mentions_asking,
)
from cdk_lambda_package.modules.names import Flag, NameTable
from cdk_lambda_package.modules.record import Context, ModuleRecord, Scope
from cdk_lambda_package.modules.signatures import refuses_arguments, takes_arguments
from cdk_lambda_package.modules.simple_statements import read_simple_statement
from cdk_lambda_package.modules.source_text import UndecodableError, decode_source
from cdk_lambda_package.modules.syntax_tree import code_of, name_of, parse, part_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tree_sitter import Node

# A function's body without any of these words has nothing to tell.
_TELLING = (b"import", b"global", b"exec", b"eval", b"modules", b"path", b"addsitedir", b"setattr", b"run_module",
            b"resolve_name")  # fmt: skip
# An attribute of a name, or of what is below it, that may be assigned to; at a line's beginning, as statements are.
_ASSIGNED = re.compile(rb"^[ \t]*(\w+)\.[\w.]+[ \t]*[=:,]", re.MULTILINE)

_IMPORT_STATEMENTS = frozenset({"future_import_statement", "import_from_statement", "import_statement"})


def read_module(source: bytes, python: tuple[int, int]) -> ModuleFacts:
    """Return what a module's source says to this version of Python on Lambda; what can't be parsed says nothing."""
    try:
        root = parse(decode_source(source).encode(errors="replace"))
    except UndecodableError:
        return ModuleFacts(opaque=True)
    record = ModuleRecord(python, code_of(root))
    try:
        _read_root(root, record)
    except RecursionError:
        # Nested deeper than CPython itself would compile.
        return ModuleFacts(opaque=True)
    return record.facts()


def _read_root(root: Node, record: ModuleRecord) -> None:
    reader = _Reader(record, code_of(root))
    broken = root.has_error
    if broken:
        record.note_unreadable()
    for statement in parts_of(root):
        # Behind an error, a statement may have slipped out of its block; one at a line's beginning hasn't.
        trusted = not broken or (not statement.has_error and statement.start_point[1] == 0)
        reader.read(statement, Context() if trusted else Context().doubt())


class _Reader:
    """Reads statements, each in the context of those around it."""

    def __init__(self, record: ModuleRecord, code: bytes) -> None:
        self._record = record
        # Looked for in the whole module, since most have none of it in any function.
        self._assigned = {name.decode(errors="replace") for name in _ASSIGNED.findall(code)}
        self._telling = [word for word in _TELLING if word in code]
        record.names.asks = mentions_asking(code)
        self._names = record.names
        self._readers: Mapping[str, Callable[[Node, Context], None]] = {
            "ERROR": self._read_block,
            "class_definition": self._read_class,
            "decorated_definition": self._read_decorated,
            "for_statement": self._read_for,
            "function_definition": self._read_function,
            "if_statement": self._read_if,
            "match_statement": self._read_match,
            "try_statement": self._read_try,
            "while_statement": self._read_while,
            "with_statement": self._read_with,
        }

    def read(self, node: Node, context: Context) -> None:
        """Read a statement, and what stands in it."""
        reader = self._readers.get(node.type)
        if reader is not None:
            reader(node, context)
        else:
            read_simple_statement(node, context, self._record)

    def _read_block(self, block: Node | None, context: Context) -> None:
        for statement in parts_of(block) if block is not None else ():
            self.read(statement, context)
            if statement.type == "if_statement" and context.scope is Scope.FUNCTION:
                context = self._pass(statement, context)

    def _scan(self, node: Node | None, context: Context) -> None:
        if node is not None:
            self._record.scan(node, context)

    def _read_function(self, node: Node, context: Context, *, decorated: bool = False) -> None:
        name, parameters, body = part_of(node, "name"), part_of(node, "parameters"), part_of(node, "body")
        self._scan(parameters, context)
        kind = Kind.FUNCTION if takes_arguments(parameters, 2) else Kind.MISFIT
        if any(child.type == "async" for child in node.children):
            kind = Kind.COROUTINE
        if name is not None:
            self._record.bind(name, Kind.OTHER if decorated else kind, context)
            if body is not None and asks_for_module(body, self._names):
                self._names.asked.add(code_of(name))
        code = code_of(body) if body is not None else b""
        if self._names.aliases or any(word in code for word in self._telling) or self._gives_names(code):
            self._read_block(body, Context(scope=Scope.FUNCTION, certain=False, straight=False))

    def _gives_names(self, code: bytes) -> bool:
        """Tell whether code seems to assign to attributes of something that is imported."""
        names = self._assigned & self._names.origins.keys()
        return any(f"{name}.".encode() in code for name in names)

    def _read_class(self, node: Node, context: Context, *, decorated: bool = False) -> None:
        name, bases = part_of(node, "name"), part_of(node, "superclasses")
        self._scan(bases, context)
        if name is not None:
            kind = Kind.MISFIT_CLASS if refuses_arguments(node, 2) else Kind.CLASS
            self._record.bind(name, Kind.OTHER if decorated else kind, context)
            self._names.note_class(name_of(name), parts_of(bases) if bases is not None else ())
        scope = Scope.FUNCTION if context.scope is Scope.FUNCTION else Scope.CLASS
        self._read_block(part_of(node, "body"), context._replace(scope=scope))

    def _read_decorated(self, node: Node, context: Context) -> None:
        definition = part_of(node, "definition")
        for part in parts_of(node):
            if part.type == "decorator":
                self._record.scan(part, context)
        if definition is not None and definition.type == "function_definition":
            self._read_function(definition, context, decorated=True)
        elif definition is not None:
            self._read_class(definition, context, decorated=True)

    def _read_if(self, node: Node, context: Context) -> None:
        clauses = [node, *node.children_by_field_name("alternative")]
        for clause in clauses:
            holds = self._read_condition(part_of(clause, "condition"), context)
            body = part_of(clause, "consequence") or body_of(clause)
            condition = part_of(clause, "condition")
            if holds is None and condition is not None:
                self._read_block(body, self._narrow(context, condition, holds=True))
                context = self._narrow(context, condition, holds=False)
            elif holds:
                self._read_block(body, context)
                # What follows runs in no case.
                return

    def _narrow(self, context: Context, condition: Node, *, holds: bool) -> Context:
        """Return the context of what runs where a condition holds, or doesn't."""
        told = list(list_told(condition, holds, self._names.flags)) if self._names.flags else []
        found = tuple(index for one in told if one.found for index in one.imports)
        failed = next((one for one in told if not one.found and one.imports), None)
        if failed is not None and not context.if_missing:
            narrowed = context.branch() if failed.exact else context.doubt()
            return narrowed._replace(if_missing=failed.imports, if_found=(*context.if_found, *found))
        context = context.doubt()._replace(if_found=(*context.if_found, *found), there=(*context.there, *found))
        asked = any(one.found and not one.imports for one in told) or asks_for_module(condition, self._names)
        return context.guard() if asked else context

    def _pass(self, if_statement: Node, context: Context) -> Context:
        """Return the context of what follows an `if`, as after `if orjson is None: return`."""
        condition = part_of(if_statement, "condition")
        if condition is None or not leaves(if_statement, self._names):
            return context
        return self._narrow(context, condition, holds=False)

    def _read_condition(self, condition: Node | None, context: Context) -> bool | None:
        """Tell whether a branch is taken; one without a condition is."""
        if condition is None:
            return True
        self._record.scan(condition, context)
        return self._record.conditions.holds(condition)

    def _read_while(self, node: Node, context: Context) -> None:
        holds = self._read_condition(part_of(node, "condition"), context)
        if holds is not False:
            self._read_block(part_of(node, "body"), context.branch() if holds else context.doubt())
        self._read_else(node, context)

    def _read_else(self, node: Node, context: Context) -> None:
        alternative = part_of(node, "alternative")
        if alternative is not None:
            self._read_block(body_of(alternative), context.doubt())

    def _read_for(self, node: Node, context: Context) -> None:
        self._scan(part_of(node, "right"), context)
        if (left := part_of(node, "left")) is not None:
            self._record.bind_target(left, Kind.OTHER, context.branch())
        self._read_block(part_of(node, "body"), context.doubt())
        self._read_else(node, context)

    def _read_with(self, node: Node, context: Context) -> None:
        for part in parts_of(node):
            if part.type == "with_clause":
                self._record.scan(part, context)
                for target in find_aliases(part):
                    self._record.bind_target(target, Kind.OTHER, context)
        self._read_block(part_of(node, "body"), context.guard() if forgives(node, self._names) else context)

    def _read_match(self, node: Node, context: Context) -> None:
        for subject in node.children_by_field_name("subject"):
            self._record.scan(subject, context)
        doubted = context.doubt()
        for clause in parts_of(part_of(node, "body") or node):
            for part in parts_of(clause):
                if part.type == "case_pattern":
                    for name in find_captures(part):
                        self._record.bind(name, Kind.OTHER, doubted)
            self._scan(part_of(clause, "guard"), doubted)
            self._read_block(part_of(clause, "consequence"), doubted)

    def _read_try(self, node: Node, context: Context) -> None:
        parts = parts_of(node)
        clauses = [part for part in parts if part.type in ("except_clause", "except_group_clause")]
        handler = find_import_handler(clauses, self._names)
        fatal = handler is not None and always_raises(body_of(clauses[handler]), self._names)
        start, before = self._record.count, dict(self._names.constants)
        inner = context.branch() if clauses else context
        body = inner if handler is None or fatal else context.guard()
        self._read_tried(part_of(node, "body"), body, interruptible=bool(clauses) and handler is None)
        failing = self._record.uncaught_since(start, body)
        for index, clause in enumerate(clauses):
            known = index == handler and failing
            self._read_block(body_of(clause), inner._replace(if_missing=failing) if known else inner.doubt())
        for part in parts:
            if part.type == "else_clause":
                found = (*context.if_found, *failing) if handler is not None else context.if_found
                certain = inner if _comes_to_its_else(node, clauses, self._names) else inner.doubt()
                self._read_block(body_of(part), certain._replace(if_found=found))
            elif part.type == "finally_clause":
                self._read_block(body_of(part), context)
        if handler is not None:
            self._note_flags(node, clauses[handler], failing, before)

    def _note_flags(self, node: Node, handler: Node, failing: tuple[int, ...], before: Mapping[str, object]) -> None:
        for name, when_found in find_flags(node, handler, before):
            self._names.flags[name] = Flag(failing, when_found)

    def _read_tried(self, block: Node | None, context: Context, *, interruptible: bool) -> None:
        """Read the body of a `try`; `interruptible` where a handler goes on if a statement fails that isn't an import."""
        for statement in parts_of(block) if block is not None else ():
            self.read(statement, context)
            if interruptible and statement.type not in _IMPORT_STATEMENTS:
                context = context.doubt()


def _comes_to_its_else(node: Node, clauses: list[Node], names: NameTable) -> bool:
    """Tell whether a `try` goes on to its `else` if its imports succeed, or doesn't go on at all."""
    body = part_of(node, "body")
    only_imports = body is not None and all(part.type in _IMPORT_STATEMENTS for part in parts_of(body))
    return only_imports or all(always_raises(body_of(clause), names) for clause in clauses)
