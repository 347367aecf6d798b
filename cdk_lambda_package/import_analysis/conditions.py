"""Facts about a module that are known before it runs on Lambda: its names, and conditions on them.

Conditions are known by the version of Python, the system, and values of the module's own names; there is no type checker.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import Binding, NameKind
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    name_of,
    operands_of,
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
_ASKING = (b"find_spec", b"find_loader", b"iter_modules", b"_available", b"_installed")
_WORD = re.compile(rb"\w+")

# Kinds that an alias keeps. A second name of a Chalice app isn't a second app.
_KEPT_BY_ALIAS = frozenset(NameKind) - {NameKind.IMPORTED, NameKind.CHALICE, NameKind.OTHER}


class Flag(NamedTuple):
    """The values of a name that says whether imports, given by their indices, succeeded: one if they did, else the other.

    It is `exact` if nothing else gives the name the other one.
    """

    imports: tuple[int, ...]
    found: object
    missing: object
    exact: bool = False


class NameTable:
    """The names of a module in order of their first appearance.

    Attributes:
        constants: The values of names that certainly hold one, for conditions.
        origins: The origins of imported names: after `import sys as s`, s is `sys`.
        flags: Names that say whether imports succeeded.
        asks: Whether the module seems to ask anywhere whether a module is installed.
        asked: Names that have to do with that question, other than flags.
    """

    def __init__(self, code: bytes) -> None:
        """Begin with no name of a module with this code."""
        self._bindings: dict[str, Binding] = {}
        self.origins: dict[str, str] = {}
        self.constants: dict[str, object] = {}
        self.flags: dict[str, Flag] = {}
        self.asks = _asks(code)
        self.asked: set[bytes] = set()
        self._changing: set[str] = set()
        # The lines in functions that may bind any name whenever they run.
        self._changers: set[int] = set()
        self._settled: dict[str, str] = {}
        self._chalice_classes = {_CHALICE}

    @property
    def knows_imports(self) -> bool:
        """Whether a condition may tell which imports succeed."""
        return self.asks or bool(self.flags)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The names that are bound when the module has run."""
        return tuple(self._bindings.values())

    def kind_of(self, name: str) -> NameKind | None:
        """Return what a name is bound to so far."""
        binding = self._bindings.get(name)
        return binding.kind if binding else None

    def binding(self, name: str) -> Binding | None:
        """Return where a name is bound so far."""
        return self._bindings.get(name)

    def settled(self, name: str, *, inside: range = range(0)) -> str | None:
        """Return the origin of an imported name, "" for a name that isn't imported; None if it may be bound by several statements.

        Of a name that is imported several times, such as by `import a.b` and `import a.c`, there is one origin. The lines `inside`
        the function that has the name don't count: they run after it was called for the first time.
        """
        return None if any(line not in inside for line in self._changers) else self._settled.get(name)

    def bind(self, name: str, kind: NameKind, line: int, *, straight: bool, origin: str | None = None) -> None:
        """Note that a name is bound, for one that is imported to its origin. Unless `straight`, it may keep its former value."""
        self.constants.pop(name, None)
        self.origins.pop(name, None)
        self.flags.pop(name, None)
        self.asked.discard(name.encode())
        before = self._bindings.get(name)
        if straight and (before is None or (origin is not None and self._settled.get(name) == origin)):
            self._settled[name] = origin or ""
        else:
            self._settled.pop(name, None)
        if before is not None and not straight:
            kind = join_kinds(before.kind, kind)
        self._bindings[name] = Binding(name, kind, line, before.first if before is not None else line)

    def note_value(self, name: str, value: object) -> None:
        """Note the value that a name certainly has from here on, unless a function may change it at any time."""
        if not self._changers and name not in self._changing:
            self.constants[name] = value

    def forget_values(self, names: Iterable[str] | None = None, *, later: int | None = None) -> None:
        """Note that names, by default all, may have got another value; at any time, if a function does it in the line `later`."""
        names = None if names is None else list(names)
        for name in (*self.constants, *self.flags) if names is None else names:
            self.constants.pop(name, None)
            self.flags.pop(name, None)
        if later is None or names is not None:
            for name in tuple(self._settled) if names is None else names:
                self._settled.pop(name, None)
        if later is not None:
            self._changers.update([later] if names is None else ())
            self._changing.update(names or ())

    def unbind(self, name: str) -> None:
        """Note that a name is deleted."""
        for known in (self._bindings, self._settled, self.constants, self.origins, self.flags):
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
        if not self.asks:
            return False
        code = code_of(node)
        return _asks(code) or not self.asked.isdisjoint(_WORD.findall(code))

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
            case "call" if (self.origin_of(part_of(node, "function")) or "").startswith("logging."):
                # `handler = logging.StreamHandler()` has the usual name of Lambda's handler.
                return NameKind.VALUE
            case "conditional_expression":
                first, *_, last = parts_of(node)
                return join_kinds(self.kind_of_value(first), self.kind_of_value(last))
            case "named_expression" if value := part_of(node, "value"):
                return self.kind_of_value(value)
        return NameKind.VALUE if node.type in _LITERALS else NameKind.OTHER

    def registers_view(self, decorator: Node) -> bool:
        """Return whether a decorator, such as `@app.route("/")`, makes a function a view of a Chalice app, and returns it as it is."""
        call = next(iter(parts_of(decorator)), None)
        dotted = dotted_name_of(part_of(call, "function")) if call is not None and call.type == "call" else None
        owner, _, method = (dotted or "").rpartition(".")
        return self.kind_of(owner) is NameKind.CHALICE and (method == "route" or method.startswith("on_ws_"))

    def _is_chalice(self, node: Node | None) -> bool:
        return (self.origin_of(node) or "").rpartition(".")[2] in self._chalice_classes


def _asks(code: bytes) -> bool:
    # One by one: that is many times faster than a pattern of alternatives.
    return any(word in code for word in _ASKING)


def join_kinds(one: NameKind, other: NameKind) -> NameKind:
    """Return the kind of a name that is bound to either: a Chalice app if one of them is, since apps are searched for."""
    if NameKind.CHALICE in (one, other):
        return NameKind.CHALICE
    return one if one is other else NameKind.OTHER


UNKNOWN: Final = object()
"""The value of an expression that can't be evaluated."""


class _Unknown:
    """A value, or a part of one, that `is_not` some values, and is otherwise unknown: comparing it raises TypeError."""

    def __init__(self, *is_not: object, true: bool = True) -> None:
        """Take whether it is `true` as a condition; else that is unknown too."""
        self._is_not, self._true = is_not, true

    def __eq__(self, other: object) -> bool:
        if other in self._is_not:
            return False
        raise TypeError

    def __bool__(self) -> bool:
        if self._true:
            return True
        raise TypeError

    __hash__ = object.__hash__


SOMETHING: Final = _Unknown(None)
"""A module, a text that isn't empty, or the like."""
_PATCH = _Unknown(None, true=False)

# Lambda sets these in every function's environment:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_VARIABLES = frozenset(
    {
        *("AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"),
        *("AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"),
    }
)

# By the last part of a name, from any module: six.PY2, compat.PY3, typing.TYPE_CHECKING.
_BY_LAST_NAME = {"PY2": False, "PY3": True, "IS_PY2": False, "IS_PY3": True, "TYPE_CHECKING": False}

_BY_NAME: Mapping[str, object] = {
    "__debug__": True,
    # Lambda imports the handler's module under its own name.
    "__name__": _Unknown(None, "__main__"),
    "os.name": "posix",
    "sys.byteorder": "little",
    "sys.implementation.name": "cpython",
    "sys.maxsize": 2**63 - 1,
    "sys.platform": "linux",
    # Absent on CPython and Linux.
    "sys.frozen": False,
    "sys.pypy_version_info": False,
}

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    # Of values that are equal, it isn't known whether they are identical; there is one None.
    "is": operator.eq,
    "is not": operator.ne,
    "in": lambda item, container: item in container,
    "not in": lambda item, container: item not in container,
}


class Told(NamedTuple):
    """The meaning of a condition about imports: they succeeded if `found`, else one of them failed.

    It is `exact` if the condition has this outcome whenever they did.
    """

    imports: tuple[int, ...]
    found: bool
    exact: bool = True


class Conditions:
    """Evaluates conditions of a module for a version of Python on Lambda, as Python would with the values that are known."""

    def __init__(self, python: PythonVersion, names: NameTable) -> None:
        major, minor = python
        self._python = python
        self._names = names
        self._assumed: dict[str, object] = {}
        self._known = {
            **_BY_NAME,
            "sys.version_info": (major, minor, _PATCH, _PATCH, _PATCH),
            "sys.version_info.major": major,
            "sys.version_info.minor": minor,
        }
        self._calls: Mapping[str, object] = {
            "platform.python_implementation": "CPython",
            "platform.system": "Linux",
            # Its parts are texts (https://docs.python.org/3/library/platform.html).
            "platform.python_version_tuple": (str(major), str(minor), _PATCH),
        }

    def holds(self, node: Node | None) -> bool | None:
        """Return whether a condition holds, None if that is unknown."""
        value = self.value_of(node)
        try:
            return None if value is UNKNOWN else bool(value)
        except TypeError:
            return None

    def value_of(self, node: Node | None) -> object:
        """Return the value of an expression, or UNKNOWN."""
        try:
            return self._evaluate(node)
        except (LookupError, RecursionError, TypeError, ValueError):
            return UNKNOWN

    def told_by(self, condition: Node, *, holds: bool) -> Iterator[Told]:
        """Yield what is known about imports if a condition holds, or if it doesn't."""
        words = set(_WORD.findall(code_of(condition))) if self._names.flags else set()
        for name, flag in self._names.flags.items():
            if name.encode() in words:
                found = self._holds_with(condition, name, flag.found)
                missing = self._holds_with(condition, name, flag.missing)
                if missing is (not holds):
                    yield Told(flag.imports, found=True, exact=flag.exact and found is holds)
                elif found is (not holds):
                    yield Told(flag.imports, found=False, exact=missing is holds)

    def _holds_with(self, condition: Node, name: str, value: object) -> bool | None:
        self._assumed = {name: value}
        try:
            return self.holds(condition)
        finally:
            self._assumed = {}

    # These raise LookupError, TypeError or ValueError if the value is unknown.

    def _evaluate(self, node: Node | None) -> object:
        if node is None:
            raise LookupError
        node = unwrap(node)
        match node.type:
            case "identifier" | "attribute":
                return self._evaluate_name(node)
            case "comparison_operator":
                return self._evaluate_comparison(node)
            case "boolean_operator":
                return self._evaluate_boolean(node)
            case "not_operator":
                return not self._evaluate(part_of(node, "argument"))
            case "call":
                return self._evaluate_call(node)
            case "subscript":
                return self._evaluate_subscript(node)
        return self._evaluate_literal(node)

    def _evaluate_literal(self, node: Node) -> object:
        match node.type:
            case "true" | "false" | "none" as constant:
                return {"true": True, "false": False, "none": None}[constant]
            case "integer":
                return int(text_of(node), 0)
            case "string" | "concatenated_string" if (text := string_of(node)) is not None:
                return text
            case "tuple" | "list" | "set":
                return tuple(map(self._evaluate, parts_of(node)))
        raise LookupError

    def _evaluate_name(self, node: Node) -> object:
        name = text_of(node)
        for values in (self._assumed, self._names.constants):
            if name in values:
                return values[name]
        origin = self._names.origin_of(node) or ""
        last = origin.rpartition(".")[2]
        if last in _BY_LAST_NAME and (origin != name or self._names.kind_of(name) is None or "." in name):
            return _BY_LAST_NAME[last]
        return self._known[origin]

    def _evaluate_boolean(self, node: Node) -> bool:
        """`and` is False as soon as one side is, even if the other is unknown; `or` likewise."""
        sides = [self.holds(operand) for operand in operands_of(node)]
        decisive = sign_of(node) == b"or"
        if decisive not in sides and None in sides:
            raise LookupError
        return decisive if decisive in sides else not decisive

    def _evaluate_comparison(self, node: Node) -> bool:
        operands = parts_of(node)
        signs = [" ".join(text_of(sign).split()) for sign in node.children_by_field_name("operators")]
        results = [self._compare(*pair) for pair in zip(operands, signs, operands[1:], strict=False)]
        if False not in results and None in results:
            raise LookupError
        return False not in results

    def _compare(self, left: Node, sign: str, right: Node) -> bool | None:
        if sign in ("in", "not in") and self._names.origin_of(right) == "os.environ":
            return (sign == "in") if string_of(left) in _VARIABLES else None
        try:
            return _OPERATORS[sign](self._evaluate(left), self._evaluate(right))
        except (LookupError, TypeError, ValueError):
            return None

    def _evaluate_subscript(self, node: Node) -> object:
        value, index = part_of(node, "value"), part_of(node, "subscript")
        if self._names.origin_of(value) == "os.environ":
            return self._evaluate_variable(index)
        sequence: Any = self._evaluate(value)
        bounds = [int(bound) if bound.strip() else None for bound in text_of(index).split(":")]
        return sequence[bounds[0]] if len(bounds) == 1 else sequence[slice(*bounds)]

    def _evaluate_variable(self, name: Node | None) -> object:
        if string_of(name) in _VARIABLES:
            return SOMETHING
        raise LookupError

    def _evaluate_call(self, node: Node) -> object:
        function = part_of(node, "function")
        name, arguments = self._names.origin_of(function), arguments_of(node)
        match name, arguments:
            case str(), []:
                return self._calls[name]
            case (("os.environ.get" | "os.getenv"), [variable, *_]):
                return self._evaluate_variable(variable)
            case "hasattr", [owner, attribute, *_]:
                return self._evaluate_hasattr(self._names.origin_of(owner), string_of(attribute) or "")
            case "getattr", [owner, attribute, *_]:
                return _BY_NAME[f"{self._names.origin_of(owner)}.{string_of(attribute)}"]
            case _, [start] if function is not None and code_of(function).endswith(b".startswith"):
                text: Any = self._evaluate(part_of(function, "object"))
                beginning: Any = self._evaluate(start)
                return str.startswith(text, beginning)
        raise LookupError

    def _evaluate_hasattr(self, module: str | None, name: str) -> object:
        imported = module is not None and module in self._names.origins.values()
        known = has_name(module or "", name, self._python) if imported else None
        return _BY_NAME[f"{module}.{name}"] if known is None else known
