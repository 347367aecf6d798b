"""Names that tell whether an import succeeded, as HAVE_ORJSON does, and what a condition says by them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cdk_lambda_package.modules.import_guards import body_of
from cdk_lambda_package.modules.names import Flag
from cdk_lambda_package.modules.syntax_tree import code_of, name_of, part_of, parts_of, text_of, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

_TRUTHS = {"true": True, "false": False, "none": False}


class Told(NamedTuple):
    """What is known where a condition came out one way: the imports succeeded if `found`, else one of them failed.

    It is `exact` if the condition comes out so whenever they did.
    """

    imports: tuple[int, ...]
    found: bool
    exact: bool = True


def find_flags(statement: Node, handler: Node, before: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """Yield the names that are true after one way through a `try` and false after the other, and if after success.

    `handler` is its clause that gets a missing module's error; `before` are the known values of names.
    """
    known = {name: bool(value) for name, value in before.items() if value is None or isinstance(value, bool)}
    found = known | _read_truths(part_of(statement, "body"))
    for part in parts_of(statement):
        if part.type == "else_clause":
            found |= _read_truths(body_of(part))
    missing = known | _read_truths(body_of(handler))
    for name, truth in found.items():
        if missing.get(name) is (not truth):
            yield name, truth


def list_told(condition: Node, holds: bool, flags: Mapping[str, Flag]) -> Iterator[Told]:
    """Yield what is known where a condition holds, or doesn't."""
    condition = unwrap(condition)
    match condition.type:
        case "identifier" if flag := flags.get(name_of(condition)):
            yield Told(flag.imports, holds is flag.when_found)
        case "not_operator" if argument := part_of(condition, "argument"):
            yield from list_told(argument, not holds, flags)
        case "boolean_operator" if (code_of(operator_of(condition)) == b"and") is holds:
            for part in parts_of(condition):
                yield from (told._replace(exact=False) for told in list_told(part, holds, flags))
        case "comparison_operator":
            compared, same = _split_comparison(condition)
            if compared is not None:
                yield from list_told(compared, holds is same, flags)


def operator_of(node: Node) -> Node:
    """Return the `and` or `or` between two conditions."""
    return part_of(node, "operator") or node


def _split_comparison(node: Node) -> tuple[Node | None, bool]:
    """Return what is compared with None, True or False, and whether it is true where the comparison holds."""
    operands, signs = parts_of(node), node.children_by_field_name("operators")
    if len(operands) != 2 or len(signs) != 1 or operands[1].type not in _TRUTHS:
        return None, False
    sign = " ".join(text_of(signs[0]).split())
    if sign not in ("is", "==", "is not", "!="):
        return None, False
    return operands[0], (sign in ("is", "==")) is _TRUTHS[operands[1].type]


def _read_truths(block: Node | None) -> dict[str, bool]:
    """Return the names that a block binds to a truth value, to a number or to what it imports."""
    truths: dict[str, bool] = {}
    for statement in parts_of(block) if block is not None else ():
        if statement.type in ("import_statement", "import_from_statement"):
            truths |= dict.fromkeys(map(_name_imported, statement.children_by_field_name("name")), True)
        elif statement.type == "expression_statement":
            truths |= _read_assignment(parts_of(statement)[0])
    return truths


def _name_imported(item: Node) -> str:
    name = part_of(item, "alias") or parts_of(item)[0]
    return name_of(name)


def _read_assignment(node: Node) -> dict[str, bool]:
    names: list[str] = []
    value: Node | None = node
    while value is not None and value.type == "assignment":
        left, value = part_of(value, "left"), part_of(value, "right")
        names += [name_of(left)] if left is not None and left.type == "identifier" else []
    truth = _read_truth(value) if value is not None else None
    return dict.fromkeys(names, truth) if truth is not None else {}


def _read_truth(value: Node) -> bool | None:
    return text_of(value) != "0" if value.type == "integer" else _TRUTHS.get(value.type)
