"""Conditions of a module that are known before it runs on Lambda: its Python's version, Linux, no type checker. Pure."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cdk_lambda_package.modules.known_values import UNKNOWN, Beginning, relate, truth_of
from cdk_lambda_package.modules.names import NameTable
from cdk_lambda_package.modules.standard_names import has_name
from cdk_lambda_package.modules.syntax_tree import arguments_of, code_of, part_of, parts_of, string_of, text_of, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node


# Set by Lambda in every function's environment:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_VARIABLES = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_SOME_TEXT = Beginning("")

# By the last part of a name, wherever it is imported from: six.PY2, compat.PY3, typing.TYPE_CHECKING.
_BY_LAST_NAME = {"PY2": False, "PY3": True, "IS_PY2": False, "IS_PY3": True, "TYPE_CHECKING": False}

_BY_NAME: Mapping[str, object] = {
    "__debug__": True,
    "os.name": "posix",
    "sys.byteorder": "little",
    "sys.implementation.name": "cpython",
    "sys.maxsize": 2**63 - 1,
    "sys.platform": "linux",
    # What isn't there on CPython and Linux.
    "sys.frozen": False,
    "sys.pypy_version_info": False,
}

_CALLS: Mapping[str, object] = {
    "platform.python_implementation": "CPython",
    "platform.system": "Linux",
}
# The parts of the latter are texts (https://docs.python.org/3/library/platform.html).
_VERSION_CALLS = frozenset({"platform.python_version", "platform.python_version_tuple"})

_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Conditions:
    """Evaluates conditions of a module for a version of Python on Lambda."""

    def __init__(self, python: tuple[int, int], names: NameTable) -> None:
        self._python = python
        self._names = names

    def holds(self, node: Node) -> bool | None:
        """Tell whether a condition holds; None where that can't be known."""
        return truth_of(self.evaluate(node))

    def evaluate(self, node: Node) -> object:
        """Return the value of an expression, or UNKNOWN."""
        node = unwrap(node)
        match node.type:
            case "identifier" | "attribute":
                return self._evaluate_name(node)
            case "comparison_operator":
                return self._evaluate_comparison(node)
            case "boolean_operator":
                return self._evaluate_boolean(node)
            case "not_operator":
                return self._evaluate_not(node)
            case "call":
                return self._evaluate_call(node)
            case "subscript":
                return self._evaluate_subscript(node)
            case "binary_operator":
                return self._evaluate_arithmetic(node)
        return self._evaluate_literal(node)

    def _evaluate_literal(self, node: Node) -> object:
        match node.type:
            case "true" | "false" | "none":
                return {"true": True, "false": False, "none": None}[node.type]
            case "integer":
                return _read_integer(text_of(node))
            case "string" | "concatenated_string":
                value = string_of(node)
                return UNKNOWN if value is None else value
            case "tuple" | "list" | "set":
                values = tuple(map(self.evaluate, parts_of(node)))
                return UNKNOWN if UNKNOWN in values else values
        return UNKNOWN

    def _evaluate_name(self, node: Node) -> object:
        name = text_of(node)
        if name in self._names.constants:
            return self._names.constants[name]
        origin = self._names.origin_of(node) or ""
        last = origin.rpartition(".")[2]
        if last in _BY_LAST_NAME and (origin != name or self._names.kind_of(name) is None or "." in name):
            return _BY_LAST_NAME[last]
        return {**_BY_NAME, **self._versions()}.get(origin, UNKNOWN)

    def _versions(self) -> dict[str, object]:
        major, minor = self._python
        return {
            "sys.hexversion": Beginning(self._python),
            "sys.version": Beginning(f"{major}.{minor}."),
            "sys.version_info": Beginning(self._python),
            "sys.version_info.major": major,
            "sys.version_info.minor": minor,
        }

    def _evaluate_not(self, node: Node) -> object:
        argument = part_of(node, "argument")
        holds = self.holds(argument) if argument is not None else None
        return UNKNOWN if holds is None else not holds

    def _evaluate_boolean(self, node: Node) -> object:
        """`and` is False as soon as one side is, whatever the other; `or` likewise."""
        sides = [self.holds(part) for part in parts_of(node)]
        decisive = code_of_field(node, "operator") == b"or"
        if decisive in sides:
            return decisive
        return UNKNOWN if None in sides else not decisive

    def _evaluate_comparison(self, node: Node) -> object:
        operands = parts_of(node)
        signs = [text_of(sign) for sign in node.children_by_field_name("operators")]
        results = [
            self._compare(left, sign, right) for left, sign, right in zip(operands, signs, operands[1:], strict=False)
        ]
        if False in results:
            return False
        return UNKNOWN if None in results else True

    def _compare(self, left: Node, sign: str, right: Node) -> bool | None:
        sign = " ".join(sign.split())
        if self._asks_for_main(left, right):
            # Lambda imports the handler's module under its own name.
            return {"==": False, "!=": True}.get(sign)
        if sign in ("in", "not in") and self._names.origin_of(right) == "os.environ":
            found = string_of(left) in _VARIABLES
            return (sign == "in") if found else None
        one, other = self.evaluate(left), self.evaluate(right)
        if self._names.origin_of(left) == "sys.hexversion":
            other = _split_hexversion(other)
        elif self._names.origin_of(right) == "sys.hexversion":
            one = _split_hexversion(one)
        return relate(one, sign, other)

    def _asks_for_main(self, left: Node, right: Node) -> bool:
        return any(
            code_of(one) == b"__name__" and string_of(other) == "__main__"
            for one, other in ((left, right), (right, left))
        )

    def _evaluate_subscript(self, node: Node) -> object:
        value, index = part_of(node, "value"), part_of(node, "subscript")
        if value is None or index is None:
            return UNKNOWN
        if self._names.origin_of(value) == "os.environ":
            return _SOME_TEXT if string_of(index) in _VARIABLES else UNKNOWN
        sequence = self.evaluate(value)
        if isinstance(sequence, Beginning) and sequence.known:
            return _take(sequence.known, index)
        return UNKNOWN

    def _evaluate_call(self, node: Node) -> object:
        function = part_of(node, "function")
        if function is None:
            return UNKNOWN
        name, arguments = self._names.origin_of(function), arguments_of(node)
        if name is not None and not arguments:
            return self._evaluate_version(name) if name in _VERSION_CALLS else _CALLS.get(name, UNKNOWN)
        if name == "int" and len(arguments) == 1:
            text = self.evaluate(arguments[0])
            return int(text) if isinstance(text, str) and text.isdecimal() else UNKNOWN
        if name in ("os.environ.get", "os.getenv") and arguments and string_of(arguments[0]) in _VARIABLES:
            return _SOME_TEXT
        if name == "hasattr" and len(arguments) > 1 and (attribute := string_of(arguments[1])):
            return self._evaluate_hasattr(self._names.origin_of(arguments[0]), attribute)
        if name == "getattr" and len(arguments) > 1:
            return _BY_NAME.get(f"{self._names.origin_of(arguments[0])}.{string_of(arguments[1])}", UNKNOWN)
        if function.type == "attribute" and text_of(function).endswith(".startswith") and len(arguments) == 1:
            return self._evaluate_startswith(function, arguments[0])
        return UNKNOWN

    def _evaluate_hasattr(self, module: str | None, name: str) -> object:
        imported = module is not None and module in self._names.origins.values()
        known = has_name(module or "", name, self._python) if imported else None
        return _BY_NAME.get(f"{module}.{name}", UNKNOWN) if known is None else known

    def _evaluate_version(self, call: str) -> object:
        texts = tuple(map(str, self._python))
        return Beginning(texts) if call.endswith("_tuple") else Beginning(f"{'.'.join(texts)}.")

    def _evaluate_startswith(self, function: Node, argument: Node) -> object:
        owner = part_of(function, "object")
        text, start = self.evaluate(owner) if owner is not None else UNKNOWN, self.evaluate(argument)
        starts = start if isinstance(start, tuple) else (start,)
        if not all(isinstance(part, str) for part in starts):
            return UNKNOWN
        if isinstance(text, Beginning) and isinstance(text.known, str) and text.known:
            # Longer ones can't be told; those that were asked for in practice are shorter.
            known = text.known
            return any(known.startswith(part) for part in starts) if max(map(len, starts)) <= len(known) else UNKNOWN
        return text.startswith(tuple(starts)) if isinstance(text, str) else UNKNOWN

    def _evaluate_arithmetic(self, node: Node) -> object:
        one, other = (self.evaluate(part) for part in (parts_of(node)[0], parts_of(node)[-1]))
        sign = code_of_field(node, "operator").decode()
        if not isinstance(one, int) or not isinstance(other, int):
            return UNKNOWN
        if sign == "**" and abs(one) <= 16 and 0 <= other <= 128:
            return one**other
        return _ARITHMETIC[sign](one, other) if sign in _ARITHMETIC else UNKNOWN


def code_of_field(node: Node, field: str) -> bytes:
    """Return the source of a node's child in a field."""
    part = part_of(node, field)
    return code_of(part) if part is not None else b""


def _read_integer(text: str) -> object:
    with contextlib.suppress(ValueError):
        return int(text.rstrip("lL"), 0)
    return UNKNOWN


def _take(known: tuple[object, ...] | str, index: Node) -> object:
    """Return an item or a slice of what is known to begin so; steps and what counts from the end are unknown."""
    if index.type == "integer":
        position = int(text_of(index))
        return known[position] if position < len(known) else UNKNOWN
    start, _, stop = text_of(index).partition(":")
    if index.type != "slice" or not all(part.strip().isdecimal() or not part.strip() for part in (start, stop)):
        return UNKNOWN
    begin = int(start or 0)
    if stop.strip() and int(stop) <= len(known):
        return known[begin : int(stop)]
    return Beginning(known[begin:])


def _split_hexversion(value: object) -> object:
    """Return the hexadecimal version as a tuple, with what follows the minor version only if there is any."""
    if not isinstance(value, int):
        return value
    rest = (value & 0xFFFF,) if value & 0xFFFF else ()
    return (value >> 24, value >> 16 & 0xFF, *rest)
