"""Reads the tables by which a package imports a submodule when one of its names is asked for (PEP 562).

The shapes of the tables that the most used packages have:
- names by submodule: huggingface_hub's `_SUBMOD_ATTRS` and lazy_loader's `attach` (https://scientific-python.org/specs/spec-0001/),
  `_import_structure` of transformers, `recreate_module(by_module=…)` of celery;
- the submodule by name: `_dynamic_imports` of pydantic and langchain-core, `_import_map` of stripe. The submodule is a text,
  or one of the texts in a tuple.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import LazyName
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    part_of,
    parts_of,
    string_of,
    strings_of,
    unwrap,
)

# A module without any of these imports nothing for a name.
_MARKS = (b"def __getattr__", b"__getattr__,", b"_LazyModule(", b"recreate_module(", b"lazy.attach(", b"lazy_loader")
# The submodule has the name itself: https://github.com/pydantic/pydantic/blob/main/pydantic/__init__.py
_SAME_NAME = "__module__"
_FUNCTIONS = frozenset({"function_definition", "class_definition", "decorated_definition", "lambda"})


def read_lazy_tables(root: Node, code: bytes) -> tuple[LazyName, ...]:
    """Return the names that a module imports when they are asked for, with what may be their modules.

    Example:
        `_dynamic_imports = {"Field": (__spec__.parent, ".fields")}` gives `LazyName("Field", ".fields")`.
    """
    if not any(mark in code for mark in _MARKS):
        return ()
    return tuple(dict.fromkeys(name for part in _top_parts(root) for name in _names_in(part)))


def _top_parts(root: Node) -> Iterator[Node]:
    """Yield the dictionaries, and the assignments and calls that add to one, outside of functions."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in ("dictionary", "assignment", "call"):
            yield node
        if node.type not in _FUNCTIONS and node.type != "dictionary":
            stack += reversed(parts_of(node))


def _names_in(node: Node) -> Iterator[LazyName]:
    match node.type:
        case "dictionary":
            for pair in parts_of(node):
                if pair.type == "pair":
                    yield from _names_of_pair(part_of(pair, "key"), part_of(pair, "value"))
        case "assignment" if (target := part_of(node, "left")) is not None and target.type == "subscript":
            yield from _names_of_pair(part_of(target, "subscript"), part_of(node, "right"))
        case "call":
            yield from _names_of_call(node)


def _names_of_call(call: Node) -> Iterator[LazyName]:
    """Yield the names of `table["submodule"].append(name)` and of `extend`."""
    function, arguments = part_of(call, "function"), arguments_of(call)
    owner = part_of(function, "object") if function is not None and function.type == "attribute" else None
    if owner is None or owner.type != "subscript" or len(arguments) != 1:
        return
    module = string_of(part_of(owner, "subscript"))
    names = strings_of(arguments[0]) if code_of(function).endswith(b".extend") else [string_of(arguments[0])]
    for name in names or ():
        if module and name:
            yield LazyName(name, module)


def _names_of_pair(key: Node | None, value: Node | None) -> Iterator[LazyName]:
    literal = string_of(key)
    if not literal or value is None:
        return
    value = unwrap(value)
    if value.type in ("list", "set"):
        for part in parts_of(value):
            if name := string_of(part):
                yield LazyName(name, literal)
    elif value.type in ("string", "tuple"):
        for part in [value] if value.type == "string" else parts_of(value):
            if module := string_of(part):
                yield LazyName(literal, f".{literal}" if module == _SAME_NAME else module)
