"""Python source as a tree, by a parser that knows the syntax of all versions at once and outlives errors.

Not by the host's own parser, which knows one version: the same source must say the same on every host. Node types are
those of tree-sitter-python's grammar.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_EXTRAS = frozenset({"comment", "line_continuation"})


def parse(code: bytes) -> Node:
    """Return the root of the tree of a module's source in UTF-8 with line feeds."""
    import tree_sitter_python
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_python.language())).parse(code).root_node


def parts_of(node: Node) -> list[Node]:
    """Return the children that say something: neither punctuation nor comments."""
    return [child for child in node.named_children if child.type not in _EXTRAS]


def part_of(node: Node, field: str) -> Node | None:
    """Return the child in a field of the grammar, if there is one."""
    return node.child_by_field_name(field)


def code_of(node: Node) -> bytes:
    """Return the source of a node."""
    return node.text or b""


def text_of(node: Node) -> str:
    """Return the source of a node as text."""
    return code_of(node).decode(errors="replace")


def line_of(node: Node) -> int:
    """Return the line where a node begins, from 1."""
    return node.start_point[0] + 1


def name_of(node: Node) -> str:
    """Return an identifier as Python compares it (PEP 3131)."""
    text = text_of(node)
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def dotted_name_of(node: Node) -> str | None:
    """Return `a.b.c` for a name or attributes of one, None for anything else."""
    names: list[str] = []
    while node.type == "attribute":
        owner, attribute = part_of(node, "object"), part_of(node, "attribute")
        if owner is None or attribute is None:
            return None
        names.append(name_of(attribute))
        node = owner
    if node.type == "dotted_name":
        names += [name_of(part) for part in reversed(parts_of(node))]
    elif node.type == "identifier":
        names.append(name_of(node))
    else:
        return None
    return ".".join(reversed(names))


def unwrap(node: Node) -> Node:
    """Return what stands in parentheses."""
    while node.type == "parenthesized_expression" and len(parts := parts_of(node)) == 1:
        node = parts[0]
    return node


def string_of(node: Node) -> str | None:
    """Return the value of a plain string literal; None for anything else, and where it has escapes."""
    node = unwrap(node)
    if node.type == "concatenated_string":
        values = [string_of(part) for part in parts_of(node)]
        return None if None in values else "".join(value for value in values if value is not None)
    if node.type != "string" or b"\\" in code_of(node):
        return None
    start, *content, _ = node.children if node.child_count > 1 else (node, node)
    if text_of(start).strip("'\"").lower() not in ("", "r", "u"):
        return None
    return "".join(map(text_of, content))


def arguments_of(call: Node) -> list[Node]:
    """Return the arguments of a call, keyword arguments among them."""
    arguments = part_of(call, "arguments")
    return parts_of(arguments) if arguments is not None and arguments.type == "argument_list" else []
