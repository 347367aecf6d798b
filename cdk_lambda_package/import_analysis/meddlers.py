"""Functions and classes that reach into the module of their caller, or of what they are given, and may bind names there.

Such as an `@export` that adds a function to `sys.modules[function.__module__].__all__`, or a helper that changes the globals
of the frame that calls it: https://docs.python.org/3/reference/datamodel.html#frame.f_globals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.source import (
    code_of,
    name_of,
    part_of,
    parts_of,
    target_nodes,
)

_WORDS = (b"f_globals", b"f_locals", b"__globals__", b"__module__", b"getmodule")
_REACHING = re.compile(rb"\bf_globals\b|\bf_locals\b|\b__globals__\b|\bgetmodule\b")
# These only ask for the module's name, as namedtuple does, or compare a text.
_ASKING = re.compile(
    rb"\b(?:f_globals|f_locals|__globals__)\s*(?:\.get\(|\[)\s*['\"]__\w+__['\"]|==\s*['\"]__module__['\"]"
)
_BY_NAME = re.compile(rb"\bmodules\b|\b(?:__import__|import_module)\b")
# What binds a name in a namespace, or adds one to a list: without it, names are only looked up.
_BINDING = re.compile(
    rb"\]\s*[+|]?=(?!=)|\bsetattr\b|\.(?:__setitem__|append|extend|insert|setdefault|update)\b|\bexec\b|\+="
)
_WORD = re.compile(rb"\w+")
_CALLED = re.compile(rb"\b(\w+)\s*\(")
_DEFINITIONS = frozenset({"class_definition", "function_definition"})


def meddlers_of(root: Node) -> tuple[str, ...]:
    """Return the names of a module's functions and classes that may bind names in another one, sorted."""
    code = code_of(root)
    if not any(word in code for word in _WORDS):
        return ()
    definitions = [(name.encode(), code_of(node)) for name, node in _definitions(root)]
    found = {name for name, text in definitions if _reaches(text)}
    grows = bool(found)
    while grows:
        using = {name for name, text in definitions if not found.isdisjoint(_CALLED.findall(text))}
        grows = not using <= found
        found |= using
    return tuple(sorted(name.decode() for name in found))


def uses_at_start(root: Node, names: tuple[str, ...]) -> bool:
    """Return whether a module uses one of these names while it is imported: in a decorator, or outside of definitions."""
    wanted = {name.encode() for name in names}
    return bool(wanted) and any(not wanted.isdisjoint(_WORD.findall(code_of(node))) for node in _executed(root))


def _reaches(code: bytes) -> bool:
    if _BINDING.search(code) is None:
        return False
    rest = _ASKING.sub(b"", code)
    # The module of a function or class by its name: `sys.modules[function.__module__]`.
    return _REACHING.search(rest) is not None or (b"__module__" in rest and _BY_NAME.search(rest) is not None)


def _definitions(block: Node) -> Iterator[tuple[str, Node]]:
    """Yield what a block binds to functions, classes and values, by name, with that in its statements."""
    for node in parts_of(block):
        if node.type in _DEFINITIONS:
            yield name_of(part_of(node, "name")), node
        elif node.type == "decorated_definition":
            yield name_of(part_of(part_of(node, "definition") or node, "name")), node
        elif node.type == "expression_statement":
            for part in parts_of(node):
                if part.type == "assignment":
                    yield from ((name_of(target), part) for target in target_nodes(part_of(part, "left")))
        elif node.type == "block" or node.type.endswith(("_statement", "_clause")):
            yield from _definitions(node)


def _executed(block: Node) -> Iterator[Node]:
    for node in parts_of(block):
        if node.type == "decorated_definition":
            yield from (part for part in parts_of(node) if part.type == "decorator")
        elif node.type == "block" or node.type.endswith("_clause") or node.type in ("if_statement", "try_statement"):
            yield from _executed(node)
        elif node.type not in _DEFINITIONS and node.type != "import_from_statement":
            yield node
