"""The names that a target of an assignment or a pattern of a `match` binds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cdk_lambda_package.modules.syntax_tree import code_of, parts_of

if TYPE_CHECKING:
    from tree_sitter import Node

_PLACES = frozenset({"attribute", "subscript"})
# Scopes of their own, where a name after `as` can't stand anyway.
_SCOPES = frozenset({"lambda", "list_comprehension", "set_comprehension", "dictionary_comprehension",
                     "generator_expression"})  # fmt: skip


def find_targets(target: Node) -> Iterator[Node]:
    """Yield the names, attributes and items that a target is made of, in order."""
    stack = [target]
    while stack:
        node = stack.pop()
        if node.type == "identifier" or node.type in _PLACES:
            yield node
        else:
            stack.extend(reversed(parts_of(node)))


def find_aliases(with_clause: Node) -> Iterator[Node]:
    """Yield the targets that stand behind an `as` of a `with` statement."""
    stack = [with_clause]
    while stack:
        node = stack.pop()
        if node.type == "as_pattern_target":
            yield from find_targets(node)
        elif node.type not in _SCOPES:
            stack.extend(reversed(parts_of(node)))


def find_captures(pattern: Node) -> Iterator[Node]:
    """Yield the names that a `case` binds; a dotted name is a value to compare with, and `_` anything (PEP 634)."""
    stack = [pattern]
    while stack:
        node = stack.pop()
        parts = parts_of(node)
        match node.type:
            case "identifier" if code_of(node) != b"_":
                yield node
            case "dotted_name" if len(parts) > 1:
                continue
            case "class_pattern" | "keyword_pattern":
                # The class, or the attribute's name.
                stack.extend(reversed(parts[1:]))
            case "dict_pattern":
                keys = set(node.children_by_field_name("key"))
                stack.extend(part for part in reversed(parts) if part not in keys)
            case _:
                stack.extend(reversed(parts))
