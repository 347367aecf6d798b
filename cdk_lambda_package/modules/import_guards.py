"""Whether a failed import is caught around a statement, and whether that is the end of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cdk_lambda_package.modules.names import NameTable
from cdk_lambda_package.modules.syntax_tree import arguments_of, code_of, part_of, parts_of, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

# Classes that catch what a missing module raises. Their last names do, since compat modules have aliases of them.
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_CLASS_ENDINGS = ("Error", "Exception", "Warning", "Exit", "Interrupt", "Iteration", "Group")
_LEAVING = frozenset({"break_statement", "continue_statement", "return_statement"})
_EXITS = frozenset({"sys.exit", "os._exit", "os.abort", "exit", "quit"})

# Context managers and conditions of people who know that a module may be missing, such as `with optional_imports():`
# and `if importlib.util.find_spec("orjson"):`.
_FORGIVING_MANAGERS = (b"import", b"suppress", b"ignor", b"optional")
_ASKING_CONDITIONS = (b"find_spec", b"find_loader", b"iter_modules", b"_available", b"_installed")
_NAME = re.compile(rb"\w+")


def find_import_handler(clauses: list[Node], names: NameTable) -> int | None:
    """Return which of the `except` clauses of a `try` gets a missing module's error, None if none does."""
    return next((index for index, clause in enumerate(clauses) if _catches_import_error(clause, names)), None)


def body_of(clause: Node) -> Node | None:
    """Return the block of an `except`, `else` or `finally` clause."""
    return next((part for part in reversed(parts_of(clause)) if part.type == "block"), None)


def always_raises(block: Node | None, names: NameTable) -> bool:
    """Tell whether a block never ends well: it raises, or ends the process."""
    return block is not None and any(_raises(statement, names) for statement in parts_of(block))


def leaves(if_statement: Node, names: NameTable) -> bool:
    """Tell whether what follows an `if` without other branches is run only where its condition doesn't hold."""
    if if_statement.children_by_field_name("alternative"):
        return False
    block = part_of(if_statement, "consequence")
    last = parts_of(block)[-1:] if block is not None else []
    return always_raises(block, names) or any(statement.type in _LEAVING for statement in last)


def forgives(with_statement: Node, names: NameTable) -> bool:
    """Tell whether a context manager suppresses a failed import, or looks like one that does."""
    clause = next((part for part in parts_of(with_statement) if part.type == "with_clause"), None)
    return clause is not None and any(_suppresses(_find_manager(item), names) for item in parts_of(clause))


def _suppresses(manager: Node, names: NameTable) -> bool:
    function = part_of(manager, "function") or manager
    if names.origin_of(function) == "contextlib.suppress":
        return any(_names_import_error(argument, names) for argument in arguments_of(manager))
    return any(word in code_of(function).lower() for word in _FORGIVING_MANAGERS)


def _find_manager(item: Node) -> Node:
    """Return the context manager of a `with` item."""
    value = unwrap(parts_of(item)[0])
    return unwrap(parts_of(value)[0]) if value.type == "as_pattern" else value


def mentions_asking(code: bytes) -> bool:
    """Tell whether code asks anywhere whether a module is installed."""
    return any(word in code for word in _ASKING_CONDITIONS)


def asks_for_module(node: Node, names: NameTable) -> bool:
    """Tell whether a condition looks like the question whether a module is installed, or has to do with its answer."""
    if not names.asks:
        return False
    code = code_of(node)
    return mentions_asking(code) or not names.asked.isdisjoint(_NAME.findall(code))


def _catches_import_error(clause: Node, names: NameTable) -> bool:
    caught = [part for part in parts_of(clause) if part.type != "block"]
    return not caught or any(_names_import_error(node, names) for part in caught for node in _flatten(part))


def _flatten(node: Node) -> Iterator[Node]:
    """Yield the classes of an `except`, without the name after `as`."""
    node = unwrap(node)
    if node.type == "as_pattern":
        yield from _flatten(parts_of(node)[0])
    elif node.type in ("tuple", "expression_list"):
        for part in parts_of(node):
            yield from _flatten(part)
    else:
        yield node


def _names_import_error(node: Node, names: NameTable) -> bool:
    last = (names.origin_of(node) or "").rpartition(".")[2]
    # What isn't named as classes of exceptions are may be a tuple of them, with ImportError among them.
    return last in _CATCHING or "import" in last.lower() or not last.endswith(_CLASS_ENDINGS)


def _raises(statement: Node, names: NameTable) -> bool:
    match statement.type:
        case "raise_statement":
            return True
        case "expression_statement":
            call = parts_of(statement)[0]
            function = part_of(call, "function") if call.type == "call" else None
            return function is not None and names.origin_of(function) in _EXITS
        case "with_statement":
            return always_raises(part_of(statement, "body"), names)
        case "if_statement":
            return _raises_either_way(statement, names)
    return False


def _raises_either_way(statement: Node, names: NameTable) -> bool:
    clauses = statement.children_by_field_name("alternative")
    if not clauses or clauses[-1].type != "else_clause":
        return False
    blocks = [part_of(statement, "consequence"), *map(body_of, clauses)]
    return all(always_raises(block, names) for block in blocks)
