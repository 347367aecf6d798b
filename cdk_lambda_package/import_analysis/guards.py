"""The handling of failed imports: the code that catches them, and the names and conditions that record them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import SOMETHING, Conditions, NameTable
from cdk_lambda_package.import_analysis.source import (
    body_of,
    code_of,
    name_of,
    part_of,
    parts_of,
    unwrap,
)

# Classes that catch the error of a missing module. By their last names, since compat modules have aliases of them.
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_CATCHING_ATTRIBUTES = frozenset({"AttributeError", "Exception", "BaseException"})
_CLASS_ENDINGS = ("Error", "Exception", "Warning", "Exit", "Interrupt", "Iteration", "Group")
_LAST_NAMES = re.compile(rb"\b\w+\b(?!\s*\.)")
_LEAVING = frozenset({"break_statement", "continue_statement", "return_statement"})
_EXITS = frozenset({"sys.exit", "os._exit", "os.abort", "exit", "quit"})

# Context managers of code that expects a module to be missing, such as `with optional_imports():`.
_FORGIVING_MANAGERS = (b"import", b"suppress", b"ignor", b"optional")
# Context managers that let an error pass: those of the standard library that modules use around imports. That of another package,
# or of the same one, may catch it in its __exit__.
_STRICT_MANAGERS = frozenset({"open", "contextlib.suppress", "warnings.catch_warnings"})


def import_handler(clauses: list[Node]) -> int | None:
    """Return which of the `except` clauses of a `try` gets the error of a missing module, None if none does."""
    return next((index for index, clause in enumerate(clauses) if _catches_import_error(clause)), None)


def attribute_handler(clauses: list[Node]) -> int | None:
    """Return which of the `except` clauses of a `try` gets the error of a missing attribute, None if none does."""
    return next((index for index, clause in enumerate(clauses) if _catches_attribute_error(clause)), None)


def always_raises(block: Node | None, names: NameTable) -> bool:
    """Return whether a block certainly raises, or ends the process."""
    return any(_raises(statement, names) for statement in parts_of(block))


def leaves(if_statement: Node, names: NameTable) -> bool:
    """Return whether an `if` without other branches leaves its block, so that the rest runs only if it doesn't hold."""
    if if_statement.children_by_field_name("alternative"):
        return False
    block = part_of(if_statement, "consequence")
    return always_raises(block, names) or any(statement.type in _LEAVING for statement in parts_of(block)[-1:])


def forgives(with_statement: Node, names: NameTable) -> bool:
    """Return whether a context manager suppresses a failed import, or is named as if it did."""
    clause = next((part for part in parts_of(with_statement) if part.type == "with_clause"), None)
    return any(_suppresses(_manager_of(item), names) for item in parts_of(clause))


def flags_of(
    statement: Node, handler: Node, before: Mapping[str, object], conditions: Conditions
) -> Iterator[tuple[str, object, object]]:
    """Yield the names whose value says whether the imports of a `try` succeeded: the value if they did, and the other.

    `handler` is the clause for a missing module; `before` are the known values of names before the statement.
    """
    before = {name: value for name, value in before.items() if isinstance(value, int | None)}
    found = _values_in(part_of(statement, "body"), conditions)
    for part in parts_of(statement):
        if part.type == "else_clause":
            found |= _values_in(body_of(part), conditions)
    missing = before | _values_in(body_of(handler), conditions)
    for name, value in (before | found).items():
        if name in missing and bool(missing[name]) is not bool(value):
            yield name, value, missing[name]


def _catches_import_error(clause: Node) -> bool:
    caught = _caught_by(clause)
    return not caught or _names_import_error(caught)


def _catches_attribute_error(clause: Node) -> bool:
    names = [name.decode() for name in _LAST_NAMES.findall(_caught_by(clause))]
    return not names or any(name in _CATCHING_ATTRIBUTES or not name.endswith(_CLASS_ENDINGS) for name in names)


def _caught_by(clause: Node) -> bytes:
    return b" ".join(code_of(part).partition(b" as ")[0] for part in parts_of(clause) if part.type != "block")


def _names_import_error(classes: bytes) -> bool:
    """Return whether one of these classes catches the error of a missing module, by the last parts of their names."""
    names = [name.decode() for name in _LAST_NAMES.findall(classes)]
    # A name that doesn't look like an exception's may be a tuple with ImportError in it.
    return any(n in _CATCHING or "import" in n.lower() or not n.endswith(_CLASS_ENDINGS) for n in names)


def _suppresses(manager: Node, names: NameTable) -> bool:
    function = part_of(manager, "function") or manager
    if names.origin_of(function) == "contextlib.suppress":
        return _names_import_error(code_of(part_of(manager, "arguments")))
    origin = names.origin_of(function) or ""
    if origin in _STRICT_MANAGERS:
        return False
    # Of another module.
    return "." in origin or any(word in code_of(function).lower() for word in _FORGIVING_MANAGERS)


def _manager_of(item: Node) -> Node:
    """Return the context manager of a `with` item."""
    value = unwrap(parts_of(item)[0])
    return unwrap(parts_of(value)[0]) if value.type == "as_pattern" else value


def _raises(statement: Node, names: NameTable) -> bool:
    match statement.type:
        case "raise_statement":
            return True
        case "expression_statement":
            call = parts_of(statement)[0]
            return call.type == "call" and names.origin_of(part_of(call, "function")) in _EXITS
        case "if_statement":
            clauses = statement.children_by_field_name("alternative")
            if not clauses or clauses[-1].type != "else_clause":
                return False
            blocks = [part_of(statement, "consequence"), *map(body_of, clauses)]
            return all(always_raises(block, names) for block in blocks)
    return False


def _values_in(block: Node | None, conditions: Conditions) -> dict[str, object]:
    """Return the names that a block binds to a known value, or to what it imports."""
    values: dict[str, object] = {}
    for statement in parts_of(block):
        if statement.type in ("import_statement", "import_from_statement"):
            for item in statement.children_by_field_name("name"):
                values[name_of(part_of(item, "alias") or parts_of(item)[0])] = SOMETHING
        elif statement.type == "expression_statement":
            values |= _assigned_values(parts_of(statement)[0], conditions)
    return values


def _assigned_values(node: Node, conditions: Conditions) -> dict[str, object]:
    names: list[str] = []
    value: Node | None = node
    while value is not None and value.type == "assignment":
        left, value = part_of(value, "left"), part_of(value, "right")
        names += [name_of(left)] if left is not None and left.type == "identifier" else []
    known = conditions.value_of(value)
    return dict.fromkeys(names, known) if isinstance(known, int | None) else {}
