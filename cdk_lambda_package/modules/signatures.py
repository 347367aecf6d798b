"""How many arguments functions and classes of a module can be called with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_lambda_package.modules.syntax_tree import code_of, name_of, part_of, parts_of

if TYPE_CHECKING:
    from tree_sitter import Node

# What may stand in a class body without a say in how its objects are made.
_HARMLESS = frozenset({"class_definition", "expression_statement", "function_definition", "pass_statement"})


def refuses_arguments(class_definition: Node, count: int) -> bool:
    """Tell whether a class certainly can't be called with this many positional arguments.

    Nothing is certain of one that has bases, a metaclass, a `__new__`, or an `__init__` that may be replaced.
    """
    bases, body = part_of(class_definition, "superclasses"), part_of(class_definition, "body")
    if body is None or b"__new__" in code_of(body):
        return False
    if any(code_of(base) != b"object" for base in (parts_of(bases) if bases is not None else ())):
        return False
    others = [part for part in parts_of(body) if not _is_method(part, "__init__")]
    if any(part.type not in _HARMLESS and b"__init__" in code_of(part) for part in others):
        return False
    if any(part.type == "expression_statement" and b"__init__" in code_of(part) for part in others):
        return False
    inits = [part for part in parts_of(body) if _is_method(part, "__init__")]
    return not inits or not takes_arguments(part_of(inits[-1], "parameters"), count + 1)


def _is_method(node: Node, method: str) -> bool:
    name = part_of(node, "name") if node.type == "function_definition" else None
    return name is not None and name_of(name) == method


def takes_arguments(parameters: Node | None, count: int) -> bool:
    """Tell whether a function can be called with this many positional arguments; Lambda gives a handler two."""
    required, positional, keyword_only = 0, 0, False
    for parameter in parts_of(parameters) if parameters is not None else ():
        match _form_of(parameter):
            case "list_splat_pattern":
                positional, keyword_only = count, True
            case "keyword_separator":
                keyword_only = True
            case "default_parameter" | "typed_default_parameter":
                positional += not keyword_only
            case "dictionary_splat_pattern" | "positional_separator":
                pass
            case _ if keyword_only:
                return False
            case _:
                required, positional = required + 1, positional + 1
    return required <= count <= positional


def _form_of(parameter: Node) -> str:
    if parameter.type == "typed_parameter" and parts_of(parameter)[0].type.endswith("splat_pattern"):
        return parts_of(parameter)[0].type
    return parameter.type
