"""Calls that say by a text what they make, such as `boto3.client("s3")`: the texts, as far as the source has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.source import (
    UndecodableError,
    arguments_of,
    decode_source,
    dotted_name_of,
    is_too_large,
    line_of,
    name_of,
    parse,
    part_of,
    parts_of,
    string_of,
    without_docstrings,
)

_IMPORTS = frozenset({"import_from_statement", "import_statement"})
_OWN = frozenset({"cls", "self"})
_NAMESPACES = frozenset({"__dict__", "vars"})
# Arguments that may be any number of them.
_SPLATS = frozenset({"list_splat", "dictionary_splat"})


class Maker(NamedTuple):
    """Functions and methods that make something by the text that is their first argument, or the one with a `keyword`.

    `modules` have the functions at their top level. `holders` matches the last name of an object that has them as methods, in lower
    case.

    Example:
        `Maker(frozenset({"client"}), "service_name", frozenset({"boto3"}), "session")`
    """

    functions: frozenset[str]
    keyword: str
    modules: frozenset[str]
    holders: str


class NamedCall(NamedTuple):
    """What a call names at a line, from 1; None if that isn't in the source, or if the function is passed to other code.

    Example:
        `NamedCall("s3", 4)`
    """

    text: str | None
    line: int


def named_calls(source: bytes, maker: Maker) -> tuple[NamedCall, ...]:
    """Return the calls of a maker's functions in a module, whatever they are methods of, in order.

    Example:
        `named_calls(b"boto3.client('s3')", maker)` is `(NamedCall("s3", 1),)`.
    """
    if not any(function.encode() in source for function in maker.functions):
        return ()
    if is_too_large(source):
        return (NamedCall(None, 1),)
    try:
        root = parse(without_docstrings(decode_source(source).encode(errors="replace")))
    except UndecodableError:
        # No Python can import it.
        return ()
    imported = frozenset(_imported(root, maker))
    # Where the library is named, an object of any name may have the functions.
    is_user = any(module.encode() in source for module in maker.modules)
    return tuple(_calls_below(root, maker, imported, is_user=is_user))


def _imported(root: Node, maker: Maker) -> Iterator[str]:
    """Yield the names that the functions are imported as."""
    for node in _nodes(root):
        if node.type != "import_from_statement":
            continue
        module = dotted_name_of(part_of(node, "module_name"))
        if module is None or module.partition(".")[0] not in maker.modules:
            continue
        for part in node.children_by_field_name("name"):
            name = part_of(part, "name") if part.type == "aliased_import" else part
            if name_of(name) in maker.functions:
                yield name_of(part_of(part, "alias") or name)


def _calls_below(root: Node, maker: Maker, imported: frozenset[str], *, is_user: bool) -> Iterator[NamedCall]:
    for node in _nodes(root):
        if node.type == "call":
            function = part_of(node, "function")
            last = _last_name(function)
            is_imported = function is not None and function.type == "identifier" and last in imported
            if last in maker.functions or is_imported:
                yield from _read_call(node, maker)
            elif _asks_by_name(node, last, maker, is_user=is_user):
                yield NamedCall(None, line_of(node))
        elif (node.type == "subscript" and is_user and _is_namespace(part_of(node, "value"))) or _is_passed(
            node, maker, imported, is_user=is_user
        ):
            yield NamedCall(None, line_of(node))


def _asks_by_name(call: Node, function: str, maker: Maker, *, is_user: bool) -> bool:
    """Return whether a call looks a function up by its name: `getattr(boto3, "client")`, `methodcaller("client", "s3")`."""
    arguments = arguments_of(call)
    if function == "methodcaller":
        return any(string_of(one) in maker.functions for one in arguments[:1])
    if function != "getattr" or len(arguments) < 2:
        return False
    name = string_of(arguments[1])
    return name in maker.functions or (name is None and is_user and _last_name(arguments[0]) not in _OWN)


def _is_namespace(node: Node | None) -> bool:
    """Return whether a node is `x.__dict__` or `vars(x)`."""
    return node is not None and _last_name(part_of(node, "function") if node.type == "call" else node) in _NAMESPACES


def _read_call(call: Node, maker: Maker) -> Iterator[NamedCall]:
    arguments = arguments_of(call)
    for argument in arguments:
        if argument.type in _SPLATS:
            yield NamedCall(None, line_of(call))
            return
        is_keyword = argument.type == "keyword_argument"
        if is_keyword and name_of(part_of(argument, "name")) != maker.keyword:
            continue
        yield NamedCall(string_of(part_of(argument, "value") if is_keyword else argument), line_of(call))
        return
    # Without a text it is another function of the same name, as these can't be called so.


def _is_passed(node: Node, maker: Maker, imported: frozenset[str], *, is_user: bool) -> bool:
    """Return whether a function is given to other code, which may call it with any text."""
    parent = node.parent
    if parent is None or (parent.type == "call" and part_of(parent, "function") == node):
        return False
    if node.type == "identifier":
        is_name = parent.type == "keyword_argument" and part_of(parent, "name") == node
        return name_of(node) in imported and parent.type != "attribute" and not is_name
    if (
        node.type != "attribute"
        or parent.type == "attribute"
        or name_of(part_of(node, "attribute")) not in maker.functions
    ):
        return False
    is_bound = parent.type == "assignment" and part_of(parent, "left") == node
    last = _last_name(part_of(node, "object"))
    has_functions = last in maker.modules or re.search(maker.holders, last.lower()) is not None
    # An object's own attribute of this name is a client that it keeps.
    return not is_bound and (has_functions or (is_user and last not in _OWN))


def _last_name(node: Node | None) -> str:
    """Return the last name of an attribute of anything, and that of a name."""
    return name_of(part_of(node, "attribute") if node is not None and node.type == "attribute" else node)


def _nodes(root: Node) -> Iterator[Node]:
    """Yield the nodes below one in order, without those of imports."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if node.type not in _IMPORTS:
            stack += reversed(parts_of(node))
