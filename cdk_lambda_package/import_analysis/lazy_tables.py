"""Reads the tables by which a package imports a submodule when one of its names is asked for (PEP 562).

The shapes of the tables that the most used packages have:
- names by submodule: huggingface_hub's `_SUBMOD_ATTRS` and lazy_loader's `attach` (https://scientific-python.org/specs/spec-0001/),
  `_import_structure` of transformers, `recreate_module(by_module=…)` of celery;
- the submodule by name: `_dynamic_imports` of pydantic and langchain-core, `_import_map` of stripe. The submodule is a text,
  or one of the texts in a tuple.

`attach_stub` of lazy_loader reads such a table from the .pyi file beside the module, whose imports it has.

Also imports in a `__getattr__`, with the names for which they are: `if name == "linalg": import numpy.linalg` of numpy. It may
import any submodule that has the name itself, as dateutil does: `importlib.import_module("." + name, __name__)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import ANY_SUBMODULE, ImportStatement, LazyName
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    body_of,
    code_of,
    dotted_name_of,
    part_of,
    parts_of,
    split_relative,
    string_of,
    strings_of,
    unwrap,
)

# A module without any of these imports nothing for a name.
_MARKS = (b"def __getattr__", b"__getattr__,", b"_LazyModule(", b"recreate_module(", b"lazy.attach(", b"lazy_loader")
# What a condition on a name has if it holds for other names.
_OTHERS = (b"!=", b"not ")
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


def read_stub(imports: Iterable[ImportStatement]) -> tuple[LazyName, ...]:
    """Return the names that a .pyi file with these imports gives to the module beside it, by `attach_stub` of lazy_loader.

    Example:
        `from .core import run` gives `LazyName("run", ".core")`, and `from . import core` gives `LazyName("core", ".core")`.
    """
    return tuple(
        LazyName(name, f".{one.module or name}")
        for one in imports
        if one.level == 1
        for name in one.names
        if name != "*"
    )


def _top_parts(root: Node) -> Iterator[Node]:
    """Yield the dictionaries, and the assignments and calls that add to one, outside of functions, and `__getattr__`."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in ("dictionary", "assignment", "call") or (
            node.type == "function_definition" and code_of(part_of(node, "name")) == b"__getattr__"
        ):
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
        case "function_definition":
            yield from _names_of_block(part_of(node, "body"), ())
            yield ANY_SUBMODULE


def _names_of_block(block: Node | None, names: tuple[str, ...]) -> Iterator[LazyName]:
    """Yield these names with each module that a block imports, and other names that a condition in it compares with."""
    for statement in parts_of(block):
        match statement.type:
            case "if_statement":
                condition = part_of(statement, "condition")
                yield from _names_of_block(part_of(statement, "consequence"), _strings_in(condition) or names)
                for clause in statement.children_by_field_name("alternative"):
                    # Its names are those of the conditions before it, which don't hold.
                    yield from _names_of_clause(clause, names)
            case "import_statement" | "import_from_statement":
                yield from (LazyName(name, module) for module in _modules_of(statement) for name in names)
            case "block" | "try_statement" | "with_statement":
                yield from _names_of_block(statement, names)


def _names_of_clause(clause: Node, names: tuple[str, ...]) -> Iterator[LazyName]:
    own = _strings_in(part_of(clause, "condition")) if clause.type == "elif_clause" else ()
    yield from _names_of_block(part_of(clause, "consequence") or body_of(clause), own or names)


def _strings_in(condition: Node | None) -> tuple[str, ...]:
    """Return the texts in a condition such as `name == "fft"` or `name in ("fft", "random")`."""
    if condition is None or any(sign in code_of(condition) for sign in _OTHERS):
        return ()
    stack, found = [condition], list[str]()
    while stack:
        node = stack.pop()
        text = string_of(node)
        if text is not None:
            found.append(text)
        else:
            stack += reversed(parts_of(node))
    return tuple(found)


def _modules_of(statement: Node) -> Iterator[str]:
    """Yield the modules that an import statement may import, with dots in front of a relative one."""
    names = [dotted_name_of(part_of(one, "name") if one.type == "aliased_import" else one) or ""
             for one in statement.children_by_field_name("name")]  # fmt: skip
    source = part_of(statement, "module_name")
    if source is None:
        yield from filter(None, names)
        return
    module, level = split_relative(source)
    dotted = "." * level + module
    yield from [dotted] if module else (f"{dotted}{name}" for name in names)


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
