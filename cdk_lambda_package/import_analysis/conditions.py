"""Facts about a module that are known before it runs on Lambda: its names, and conditions on them.

Conditions are known by the version of Python, the system, and values of the module's own names; there is no type checker.
"""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import Binding, NameKind
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    name_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    takes_arguments,
    text_of,
    unwrap,
)
from cdk_lambda_package.target import PythonVersion, has_name

_LITERALS = frozenset(
    {"concatenated_string", "dictionary", "dictionary_comprehension", "expression_list", "false", "float", "integer", "list",
     "list_comprehension", "none", "set", "set_comprehension", "string", "true", "tuple"}
)  # fmt: skip

_CHALICE = "Chalice"

# Conditions of code that expects a module to be missing, such as `if importlib.util.find_spec("orjson"):`.
_ASKING_CONDITIONS = (b"find_spec", b"find_loader", b"iter_modules", b"_available", b"_installed")
_WORD = re.compile(rb"\w+")

# Kinds that an alias keeps. A second name of a Chalice app isn't a second app.
_KEPT_BY_ALIAS = frozenset(
    {
        NameKind.FUNCTION,
        NameKind.MISFIT,
        NameKind.COROUTINE,
        NameKind.CLASS,
        NameKind.MISFIT_CLASS,
        NameKind.MODULE,
        NameKind.VALUE,
    }
)


class Flag(NamedTuple):
    """A name that says whether imports, given by their indices, succeeded: it is then true if `when_found`, else false."""

    imports: tuple[int, ...]
    when_found: bool = True


class NameTable:
    """The names of a module in order of their first appearance.

    Attributes:
        constants: The values of names that certainly hold one, for conditions.
        origins: The origins of imported names: after `import sys as s`, s is `sys`.
        aliases: Those imported names, encoded, that hide something which is searched for by its name.
        flags: Names that say whether imports succeeded.
        asked: Names that have to do with the question whether a module is installed, other than flags.
    """

    def __init__(self, code: bytes) -> None:
        """Begin with no name of a module with this code."""
        self._bindings: dict[str, Binding] = {}
        self.origins: dict[str, str] = {}
        self.constants: dict[str, object] = {}
        self.aliases: set[bytes] = set()
        self.flags: dict[str, Flag] = {}
        self._asks = _mentions_asking(code)
        self.asked: set[bytes] = set()
        self._chalice_classes = {_CHALICE}

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The names that are bound when the module has run."""
        return tuple(self._bindings.values())

    def kind_of(self, name: str) -> NameKind | None:
        """Return what a name is bound to so far."""
        binding = self._bindings.get(name)
        return binding.kind if binding else None

    def bind(self, name: str, kind: NameKind, line: int, *, straight: bool) -> None:
        """Note that a name is bound. Unless `straight`, it may keep its former value."""
        self.constants.pop(name, None)
        self.origins.pop(name, None)
        self.flags.pop(name, None)
        self.asked.discard(name.encode())
        before = self._bindings.get(name)
        if before is not None and not straight:
            kind = join_kinds(before.kind, kind)
        self._bindings[name] = Binding(name, kind, line, before.first if before is not None else line)

    def unbind(self, name: str) -> None:
        """Note that a name is deleted."""
        for known in (self._bindings, self.constants, self.origins, self.flags):
            known.pop(name, None)

    def note_class(self, name: str, bases: Iterable[Node]) -> None:
        """Note a class. A subclass of `Chalice` makes Chalice apps too."""
        if any(self._is_chalice(base) for base in bases):
            self._chalice_classes.add(name)

    def origin_of(self, node: Node | None) -> str | None:
        """Return the full name of a name or attribute: `s.path` is `sys.path` after `import sys as s`."""
        dotted = dotted_name_of(node)
        if dotted is None:
            return None
        first, dot, rest = dotted.partition(".")
        return f"{self.origins.get(first, first)}{dot}{rest}"

    def asks_for_module(self, node: Node) -> bool:
        """Return whether a condition seems to ask whether a module is installed, or uses the answer to that question."""
        code = code_of(node) if self._asks else b""
        return self._asks and (_mentions_asking(code) or not self.asked.isdisjoint(_WORD.findall(code)))

    def kind_of_value(self, node: Node) -> NameKind:
        """Return the kind of value that an expression has."""
        node = unwrap(node)
        match node.type:
            case "lambda":
                return NameKind.FUNCTION if takes_arguments(part_of(node, "parameters"), 2) else NameKind.MISFIT
            case "identifier":
                kind = self.kind_of(name_of(node))
                return kind if kind in _KEPT_BY_ALIAS else NameKind.OTHER
            case "call" if self._is_chalice(part_of(node, "function")):
                return NameKind.CHALICE
            case "conditional_expression":
                first, *_, last = parts_of(node)
                return join_kinds(self.kind_of_value(first), self.kind_of_value(last))
            case "named_expression" if value := part_of(node, "value"):
                return self.kind_of_value(value)
        return NameKind.VALUE if node.type in _LITERALS else NameKind.OTHER

    def _is_chalice(self, node: Node | None) -> bool:
        return (self.origin_of(node) or "").rpartition(".")[2] in self._chalice_classes


def _mentions_asking(code: bytes) -> bool:
    return any(word in code for word in _ASKING_CONDITIONS)


def join_kinds(one: NameKind, other: NameKind) -> NameKind:
    """Return the kind of a name that is bound to either: a Chalice app if one of them is, since apps are searched for."""
    if NameKind.CHALICE in (one, other):
        return NameKind.CHALICE
    return one if one is other else NameKind.OTHER


UNKNOWN: Final = object()
"""The value of an expression that can't be evaluated."""


class Beginning:
    """A tuple or text of which only the beginning is known. The whole is longer, and so never empty."""

    def __init__(self, known: tuple[object, ...] | str) -> None:
        self.known = known

    def compare(self, other: object) -> int | None:
        """Return -1 if this is less, 1 if it is greater, None if that is unknown."""
        if not isinstance(other, tuple | str) or type(other) is not type(self.known):
            return None
        pairs: Iterable[tuple[Any, Any]] = zip(self.known, other, strict=False)
        differing = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if differing is not None:
            with contextlib.suppress(TypeError):  # a number and a text
                return -1 if differing[0] < differing[1] else 1
            return None
        # A value that ends within the known beginning is less than one that continues.
        return 1 if len(other) <= len(self.known) else None


# Lambda sets these in every function's environment:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_VARIABLES = frozenset(
    {"AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
     "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"}
)  # fmt: skip
_SOME_TEXT = Beginning("")

# By the last part of a name, from any module: six.PY2, compat.PY3, typing.TYPE_CHECKING.
_BY_LAST_NAME = {"PY2": False, "PY3": True, "IS_PY2": False, "IS_PY3": True, "TYPE_CHECKING": False}

_BY_NAME: Mapping[str, object] = {
    "__debug__": True,
    "os.name": "posix",
    "sys.byteorder": "little",
    "sys.implementation.name": "cpython",
    "sys.maxsize": 2**63 - 1,
    "sys.platform": "linux",
    # Absent on CPython and Linux.
    "sys.frozen": False,
    "sys.pypy_version_info": False,
}

_ORDER: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt
}  # fmt: skip


class Conditions:
    """Evaluates conditions of a module for a version of Python on Lambda."""

    def __init__(self, python: PythonVersion, names: NameTable) -> None:
        major, minor = python
        self._python = python
        self._names = names
        self._known = {
            **_BY_NAME,
            "sys.hexversion": Beginning(python),
            "sys.version": Beginning(f"{major}.{minor}."),
            "sys.version_info": Beginning(python),
            "sys.version_info.major": major,
            "sys.version_info.minor": minor,
        }
        # The parts of the tuple are texts (https://docs.python.org/3/library/platform.html).
        self._calls = {
            "platform.python_implementation": "CPython",
            "platform.system": "Linux",
            "platform.python_version": Beginning(f"{major}.{minor}."),
            "platform.python_version_tuple": Beginning((str(major), str(minor))),
        }

    def holds(self, node: Node | None) -> bool | None:
        """Return whether a condition holds, None if that is unknown."""
        value = self.evaluate(node)
        if value is UNKNOWN:
            return None
        return True if isinstance(value, Beginning) else bool(value)

    def evaluate(self, node: Node | None) -> object:
        """Return the value of an expression, or UNKNOWN."""
        if node is None:
            return UNKNOWN
        node = unwrap(node)
        match node.type:
            case "identifier" | "attribute":
                return self._evaluate_name(node)
            case "comparison_operator":
                return self._evaluate_comparison(node)
            case "boolean_operator":
                return self._evaluate_boolean(node)
            case "not_operator":
                holds = self.holds(part_of(node, "argument"))
                return UNKNOWN if holds is None else not holds
            case "call":
                return self._evaluate_call(node)
            case "subscript":
                return self._evaluate_subscript(node)
        return self._evaluate_literal(node)

    def _evaluate_literal(self, node: Node) -> object:
        match node.type:
            case "true" | "false" | "none":
                return {"true": True, "false": False, "none": None}[node.type]
            case "integer":
                with contextlib.suppress(ValueError):
                    return int(text_of(node).rstrip("lL"), 0)
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
        return self._known.get(origin, UNKNOWN)

    def _evaluate_boolean(self, node: Node) -> object:
        """`and` is False as soon as one side is, even if the other is unknown; `or` likewise."""
        sides = [self.holds(part) for part in parts_of(node)]
        decisive = sign_of(node) == b"or"
        if decisive in sides:
            return decisive
        return UNKNOWN if None in sides else not decisive

    def _evaluate_comparison(self, node: Node) -> object:
        operands = parts_of(node)
        signs = [" ".join(text_of(sign).split()) for sign in node.children_by_field_name("operators")]
        results = [
            self._compare(left, sign, right) for left, sign, right in zip(operands, signs, operands[1:], strict=False)
        ]
        if False in results:
            return False
        return UNKNOWN if None in results else True

    def _compare(self, left: Node, sign: str, right: Node) -> bool | None:
        if _asks_for_main(left, right):
            # Lambda imports the handler's module under its own name.
            return {"==": False, "!=": True}.get(sign)
        if sign in ("in", "not in") and self._names.origin_of(right) == "os.environ":
            return (sign == "in") if string_of(left) in _VARIABLES else None
        one, other = self.evaluate(left), self.evaluate(right)
        if self._names.origin_of(left) == "sys.hexversion":
            other = _split_hexversion(other)
        elif self._names.origin_of(right) == "sys.hexversion":
            one = _split_hexversion(one)
        return _relate(one, sign, other)

    def _evaluate_subscript(self, node: Node) -> object:
        value, index = part_of(node, "value"), part_of(node, "subscript")
        if self._names.origin_of(value) == "os.environ":
            return _SOME_TEXT if string_of(index) in _VARIABLES else UNKNOWN
        sequence = self.evaluate(value)
        if isinstance(sequence, Beginning) and sequence.known and index is not None:
            return _take(sequence.known, index)
        return UNKNOWN

    def _evaluate_call(self, node: Node) -> object:
        function = part_of(node, "function")
        name, arguments = self._names.origin_of(function), arguments_of(node)
        match name, arguments:
            case str(), []:
                return self._calls.get(name, UNKNOWN)
            case "int", [argument]:
                text = self.evaluate(argument)
                return int(text) if isinstance(text, str) and text.isdecimal() else UNKNOWN
            case (("os.environ.get" | "os.getenv"), [variable, *_]) if string_of(variable) in _VARIABLES:
                return _SOME_TEXT
            case "hasattr", [owner, attribute, *_] if wanted := string_of(attribute):
                return self._evaluate_hasattr(self._names.origin_of(owner), wanted)
            case "getattr", [owner, attribute, *_]:
                return _BY_NAME.get(f"{self._names.origin_of(owner)}.{string_of(attribute)}", UNKNOWN)
            case _, [start] if code_of(function).endswith(b".startswith") and function is not None:
                return self._evaluate_startswith(function, start)
        return UNKNOWN

    def _evaluate_hasattr(self, module: str | None, name: str) -> object:
        imported = module is not None and module in self._names.origins.values()
        known = has_name(module or "", name, self._python) if imported else None
        return _BY_NAME.get(f"{module}.{name}", UNKNOWN) if known is None else known

    def _evaluate_startswith(self, function: Node, argument: Node) -> object:
        text, start = self.evaluate(part_of(function, "object")), self.evaluate(argument)
        starts = start if isinstance(start, tuple) else (start,)
        if not all(isinstance(part, str) for part in starts):
            return UNKNOWN
        if isinstance(text, Beginning) and isinstance(text.known, str) and text.known:
            # Longer ones are unknown; those in real code are shorter.
            known = text.known
            return any(known.startswith(part) for part in starts) if max(map(len, starts)) <= len(known) else UNKNOWN
        return text.startswith(tuple(starts)) if isinstance(text, str) else UNKNOWN


def _asks_for_main(left: Node, right: Node) -> bool:
    return any(
        code_of(one) == b"__name__" and string_of(other) == "__main__" for one, other in ((left, right), (right, left))
    )


def _take(known: tuple[object, ...] | str, index: Node) -> object:
    """Return an item or a slice of a known beginning; steps and negative indices are unknown."""
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
    """Return the hexadecimal version as a tuple; the part after the minor version only if it isn't zero."""
    if not isinstance(value, int):
        return value
    rest = (value & 0xFFFF,) if value & 0xFFFF else ()
    return (value >> 24, value >> 16 & 0xFF, *rest)


def _relate(one: object, sign: str, other: object) -> bool | None:
    """Return whether a comparison holds, None if that is unknown."""
    if UNKNOWN in (one, other):
        return None
    if sign in ("in", "not in"):
        return _contains(other, one, sign)
    if isinstance(one, Beginning) or isinstance(other, Beginning):
        return _relate_beginning(one, sign, other)
    if sign in ("is", "is not"):
        sign = {"is": "==", "is not": "!="}[sign]
    with contextlib.suppress(TypeError):
        return bool(_ORDER[sign](one, other))  # type: ignore[arg-type]
    return None


def _relate_beginning(one: object, sign: str, other: object) -> bool | None:
    if other is None or one is None:
        return {"is": False, "==": False, "is not": True, "!=": True}.get(sign)
    if isinstance(one, Beginning):
        order = one.compare(other)
    else:
        assert isinstance(other, Beginning)
        order = other.compare(one)
        order = -order if order is not None else None
    return _ORDER[sign](order, 0) if order is not None and sign in _ORDER else None


def _contains(container: object, item: object, sign: str) -> bool | None:
    texts = isinstance(container, str) and isinstance(item, str)
    if texts or (isinstance(container, tuple) and not isinstance(item, Beginning)):
        return (item in container) is (sign == "in")  # type: ignore[operator]
    return None
