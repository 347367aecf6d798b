"""Collects the facts of a module while its statements are read, with the effects of its expressions.

Expressions may import modules by name, bind names that aren't in the source, and change where modules are found.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.changes import ADDERS, FINDERS, ChangeReader
from cdk_lambda_package.import_analysis.computed_imports import IMPORTERS
from cdk_lambda_package.import_analysis.conditions import UNKNOWN, Conditions, NameTable
from cdk_lambda_package.import_analysis.facts import ANY_MODULE, ImportStatement, ModuleFacts, NameKind
from cdk_lambda_package.import_analysis.lost_names import LostNames
from cdk_lambda_package.import_analysis.places import WordPlaces
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    line_of,
    name_of,
    operands_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    strings_of,
    target_nodes,
)
from cdk_lambda_package.target import PythonVersion

# An expression or a function's body without any of these words has no effect on the module. They are as long as can be: each
# function that has one is read.
_WORDS = (b":=", b"import", b"global", b"modules", b"addsitedir", b"sys.path", b"sys.meta_path", b"__path__")
_CALLED = (b"eval", b"exec", b"locals", b"setattr", b"vars")
# What another name of `sys` has behind it.
_SEARCHED = (".path", ".meta_path")
_NAMESPACES = frozenset({"globals", "locals", "vars"})
_EXECUTORS = frozenset({"exec", "eval"})
_HIDEABLE = IMPORTERS | FINDERS | ADDERS | {"sys.modules"}
# These only read a list that they are given; any other function might change it.
_READERS = frozenset(
    {"any", "all", "dict", "enumerate", "filter", "iter", "len", "list", "map", "print", "repr", "reversed", "set",
     "sorted", "str", "tuple", "zip"}
)  # fmt: skip
_EXPORTS_CHANGED = re.compile(
    rb"(?<![\w.])__all__\s*(?::[^=\n]*)?(?:[+|*]?=(?!=)|\.\s*(?!copy|count|index)\w+\s*\(|\[[^\]]*\]\s*[+|*]?=(?!=))"
)
# As an argument, or under another name.
_EXPORTS_PASSED = re.compile(rb"[(=,][ \t]*__all__[ \t]*(?:[,)\n]|$)")
_LAST_WORD = re.compile(rb"\w+$")
# Functions that show `__name__`, and don't fill the module with names.
SHOWING = frozenset({"print", "log", "debug", "info", "warning", "warn", "error", "exception", "critical"})
# Functions and modules that are given `__name__` and don't bind names in the module. enum isn't one: `_convert_` does.
_ASKING_FUNCTIONS = frozenset(
    {"declare_namespace", "distribution", "extend_path", "files", "getattr", "isinstance", "issubclass", "len",
     "repr", "require", "sorted", "str", "version"}
)  # fmt: skip
_ASKING_MODULES = frozenset({"doctest", "importlib", "inspect", "logging", "os", "pkg_resources", "pkgutil", "pytest", "unittest",
                             "warnings"})  # fmt: skip

# Types of values that later conditions may depend on.
_CONSTANTS = frozenset(
    {"attribute", "boolean_operator", "call", "comparison_operator", "false", "integer", "not_operator", "subscript",
     "true"}
)  # fmt: skip


# How many of an expression's parts are evaluated for certain, in the order of the source; the others may be, later or not at all.
_COUNT_OF_CERTAIN = {
    "assert_statement": 1,
    "dictionary_comprehension": 0,
    "generator_expression": 0,
    "list_comprehension": 0,
    "set_comprehension": 0,
}
# From this version on, annotations are evaluated when they are asked for (PEP 649).
_LAZY_ANNOTATIONS = (3, 14)


class Scope(enum.Enum):
    """Whose names a statement binds."""

    MODULE = enum.auto()
    CLASS = enum.auto()
    FUNCTION = enum.auto()


class Context(NamedTuple):
    """Under which circumstances a statement runs.

    `certain`, `if_missing` and `if_found` are those of `ImportStatement`. `straight` is True if no other statement may
    run in its place. `guards` counts what survives a failed import around it. `there` are imports that a condition asked
    for: the statement runs only if they succeeded.

    `forgiven` counts what survives a missing attribute. `apart` is True if something around it catches failed imports only;
    that is a `try` if `since` is the index of its first import. `tolerant` is that of `ImportStatement`.
    """

    scope: Scope = Scope.MODULE
    certain: bool = True
    straight: bool = True
    guards: int = 0
    if_missing: tuple[int, ...] = ()
    if_found: tuple[int, ...] = ()
    there: tuple[int, ...] = ()
    forgiven: int = 0
    apart: bool = False
    since: int | None = None
    tolerant: bool = False

    def doubt(self) -> Context:
        """Return the context of a statement that may run."""
        return self._replace(certain=False, straight=False)

    def branch(self) -> Context:
        """Return the context of a statement whose effect another one may undo."""
        return self._replace(straight=False)

    def guard(self, *, since: int | None = None) -> Context:
        """Return the context of a statement that may fail to import something, in a `try` whose imports begin at `since`."""
        if self.apart:
            since = self.since
        return self._replace(straight=False, guards=self.guards + 1, apart=True, since=since)

    def forgive(self, *, imports: bool) -> Context:
        """Return the context of a statement that may miss an attribute, and fail to import something with `imports`."""
        guards = self.guards + 1 if imports else self.guards
        return self._replace(straight=False, guards=guards, forgiven=self.forgiven + 1)


class FactsCollector:
    """Collects what the reader of a module finds."""

    def __init__(self, python: PythonVersion, code: bytes) -> None:
        self.names = NameTable(code)
        self.conditions = Conditions(python, self.names)
        self.effects = WordPlaces(code, _WORDS, called=_CALLED)
        self._own_name = WordPlaces(code, (b"__name__",))
        self._hidden: set[str] = set()
        self._imports: list[ImportStatement] = []
        self._lost = LostNames(python, code)
        self._lazy_annotations = python >= _LAZY_ANNOTATIONS or b"annotations" in code
        self._guards: list[int | None] = []
        self._opaque = False
        self._changes = ChangeReader(python, self.names, code)
        self._given: dict[str, None] = {}
        # Variables that stand for imported names, with the full names of all: of loops, or by `module = lib`.
        self._loops: dict[str, list[str]] = {}
        self._exported: list[str] | None = None
        self._exports_read = 0
        self._code = code
        self._answers_all = True
        # Names with what imported functions make of the module's name, each with the function's full name.
        self._made: dict[str, str] = {}
        self._answerer = ""

    def facts(self, meddlers: tuple[str, ...] = ()) -> ModuleFacts:
        """Return what was collected; `meddlers` are those of the module."""
        exported = self._exported if self._exported is not None and self._exports_are_all_read() else None
        answers = self.names.binding("__getattr__")
        if answers is not None and "__getattr__" in self._made:
            self._answerer, self._answers_all = self._made["__getattr__"], False
        # Anything but its `__getattr__` may fill the module, and one of several may be bound.
        filled = any(origin != self._answerer for origin in self._made.values())
        several = answers is not None and answers.first != answers.line
        return ModuleFacts(
            imports=tuple(self._imports),
            bindings=self.names.bindings,
            opaque=self._opaque or filled or several or (self._answers_all and answers is not None),
            answerer=self._answerer,
            exported=tuple(exported) if exported is not None else None,
            changes=self._changes.changes,
            given=tuple(self._given),
            meddlers=meddlers,
        )

    def _exports_are_all_read(self) -> bool:
        """Return whether all that the source does with `__all__` was read as a statement of the module."""
        if self._code.count(b"__all__") == self._exports_read:
            return True
        known = len(_EXPORTS_CHANGED.findall(self._code)) == self._exports_read
        return known and all(map(self._is_reader_before, _EXPORTS_PASSED.finditer(self._code)))

    def _is_reader_before(self, match: re.Match[bytes]) -> bool:
        name = _LAST_WORD.search(self._code[max(match.start() - 20, 0) : match.start()])
        return name is not None and name[0].decode() in _READERS

    def note_unreadable(self, *, later: int | None = None) -> None:
        """Note that unknown names may be bound, now or by a function in the line `later`: names have no known values any more."""
        self._opaque = True
        self.names.forget_values(later=later)

    @property
    def opaque(self) -> bool:
        """Whether unknown names may be bound."""
        return self._opaque

    @property
    def answerers(self) -> Collection[str]:
        """The names of functions that imported ones made for the module by its name."""
        return self._made.keys()

    def note_answers(self, node: Node, names: Iterable[str], *, passed_to: str, opaque: bool) -> None:
        """Note the names that the module's `__getattr__` has an answer to; `opaque` is what was known before it.

        `passed_to` is the one of `answerers` that gets all other names, or "".
        """
        self._opaque, self._answers_all = opaque, False
        self._answerer = self._made.get(passed_to, "")
        for name in sorted(names):
            if self.names.kind_of(name) is None:
                self.names.bind(name, NameKind.OTHER, line_of(node), straight=False)

    def add_import(
        self, module: str, level: int, names: tuple[str, ...], line: int, context: Context, *, by_name: bool = False
    ) -> None:
        """Add an imported module."""
        self._guards.append(context.guards if context.scope is not Scope.FUNCTION else None)
        self._imports.append(
            ImportStatement(
                module=module,
                level=level,
                names=names,
                line=line,
                certain=context.certain,
                guarded=context.guards > 0 or self._is_there(module, context),
                if_missing=context.if_missing,
                if_found=context.if_found,
                by_name=by_name,
                deferred=context.scope is Scope.FUNCTION,
                tolerant=context.tolerant,
            )
        )

    def add_stub(self, line: int, context: Context) -> None:
        """Add that the module reads the .pyi file beside it, and fails without that, which a `try` of any kind may survive."""
        sure = context.straight and not context.guards
        context = context if sure else context.doubt().guard()
        self.add_import("", 1, (), line, context)
        self._imports[-1] = self._imports[-1]._replace(stub=True)

    def _add_read(self, module: str, name: str, line: int, context: Context) -> None:
        """Add an attribute of a standard module that isn't there; it is read only if nothing before it ends the `try`."""
        before = self.uncaught_since(context.since, context) if context.since is not None else ()
        self._guards.append(context.forgiven)
        self._imports.append(
            ImportStatement(
                module=module,
                level=0,
                names=(name,),
                line=line,
                certain=context.certain and (not context.apart or context.since is not None),
                guarded=context.forgiven > 0,
                if_missing=context.if_missing,
                if_found=(*context.if_found, *before),
                read=True,
            )
        )

    def _is_there(self, module: str, context: Context) -> bool:
        """Return whether a part of the same package was found, so that this one may be there too."""
        top = module.partition(".")[0]
        return any(self._imports[index].module.partition(".")[0] == top for index in context.there)

    @property
    def count(self) -> int:
        """How many imports were added."""
        return len(self._imports)

    def uncaught_since(self, start: int, context: Context, *, reads: bool = False) -> tuple[int, ...]:
        """Return which imports, or `reads`, from index `start` on, end the block of this context if they fail."""
        found = enumerate(self._guards[start:], start)
        level = context.forgiven if reads else context.guards
        return tuple(
            index
            for index, guards in found
            if guards is not None and guards <= level and self._imports[index].read is reads
        )

    def bind(
        self,
        node: Node,
        kind: NameKind,
        context: Context,
        *,
        origin: str | None = None,
        line: int | None = None,
        value: Node | None = None,
    ) -> None:
        """Bind a name, unless it belongs to a class or function; `line` is that of its statement, by default the name's own."""
        name = name_of(node)
        if context.scope is Scope.MODULE:
            self.names.bind(name, kind, line or line_of(node), straight=context.straight, origin=origin)
            if name == "__all__":
                self._exported = None
            elif name == "__path__":
                self._changes.read_own_path(node, value)
        if context.scope is not Scope.FUNCTION:
            self._lost.forget(name)
            certain = context.certain and not (context.if_missing or context.if_found)
            if kind is NameKind.MODULE and origin is not None and certain and context.scope is Scope.MODULE:
                for word in self._lost.note_module(name, origin):
                    self.effects.add(word)
        if origin is not None:
            self.names.origins[name] = origin
            for attribute in _SEARCHED if origin == "sys" != name else ():
                self.effects.add(f"{name}{attribute}".encode())
            if origin in _HIDEABLE and name not in self._hidden:
                self._hidden.add(name)
                self.effects.add(name.encode())

    def bind_target(self, target: Node | None, kind: NameKind, context: Context, value: Node | None = None) -> None:
        """Bind the names of a target; `kind` and `value` are those of a target with one name."""
        for node in target_nodes(target):
            given = value if node == target else None
            if node.type == "identifier":
                self.bind(node, kind if node == target else NameKind.OTHER, context, value=given)
            else:
                self._changes.read_target(node, given)
                self._give_target(node)
                self._lost.forget(dotted_name_of(node) or "")

    def delete(self, target: Node, context: Context) -> None:
        """Unbind the names of a target."""
        for node in target_nodes(target):
            if node.type != "identifier":
                self._give_target(node)
            elif context.scope is Scope.MODULE and context.straight:
                self.names.unbind(name_of(node))

    def assign(self, targets: Iterable[Node], value: Node, context: Context) -> None:
        """Bind targets to a value."""
        kind = self.names.kind_of_value(value)
        known = self.conditions.value_of(value) if context.straight and value.type in _CONSTANTS else UNKNOWN
        for target in targets:
            self.bind_target(target, kind, context, value)
            if target.type == "identifier":
                name = name_of(target)
                if context.scope is Scope.MODULE:
                    self._note_value(name, value, known, context)
                self._note_variable(name, value)

    def _note_variable(self, name: str, value: Node) -> None:
        """Note what a variable stands for, in a function too: an imported name, a module, or whether a module is installed."""
        self._loops.pop(name, None)
        self._note_alias(name, value)
        if module := self._module_in(value):
            self.names.origins[name] = module
        if self.names.asks_for_module(value):
            self.names.asked.add(name.encode())
        self._changes.note_value(name, value)

    def _note_alias(self, name: str, value: Node) -> None:
        """Note that a variable stands for an imported name, as in `module = lib`."""
        first = (dotted_name_of(value) or "").partition(".")[0]
        if first != name and first in self.names.origins and (origin := self.names.origin_of(value)):
            self._loops[name] = [origin]

    def note_loop(self, target: Node | None, values: Node | None) -> None:
        """Note that a variable stands for each of several imported names, as in `for module in (lib.a, lib.b): …`."""
        if (
            target is None
            or values is None
            or target.type != "identifier"
            or values.type not in ("list", "set", "tuple")
        ):
            return
        named = ((dotted_name_of(value) or "", self.names.origin_of(value)) for value in parts_of(values))
        origins = [origin for name, origin in named if origin and name.partition(".")[0] in self.names.origins]
        if origins:
            self.names.origins[name_of(target)] = origins[0]
            self._loops[name_of(target)] = origins

    def _module_in(self, value: Node) -> str | None:
        """Return the module in `import_module("lib")` or `sys.modules["lib"]`, and any one where its name is computed."""
        if value.type == "subscript" and self.names.origin_of(part_of(value, "value")) == "sys.modules":
            named = string_of(part_of(value, "subscript"))
            return named or (ANY_MODULE if not _has_name_argument(value) else None)
        function = self.names.origin_of(part_of(value, "function")) if value.type == "call" else None
        if function not in IMPORTERS and function != "sys.modules.get":
            return None
        name = next(map(string_of, arguments_of(value)), None)
        return ANY_MODULE if function in IMPORTERS and not name else name

    def _note_value(self, name: str, value: Node, known: object, context: Context) -> None:
        if known is not UNKNOWN:
            self.names.note_value(name, known)
        if name == "__all__":
            self._exports_read += 1
            self._exported = strings_of(value) if context.straight else None

    def extend_exports(self, value: Node | None, context: Context, *, one: bool = False) -> None:
        """Add to `__all__` what a list has, or `one` name."""
        self._exports_read += 1
        more = strings_of(value)
        if one:
            more = [name] if (name := string_of(value)) is not None else None
        known = more is not None and self._exported is not None and context.straight
        self._exported = [*(self._exported or ()), *(more or ())] if known else None

    def scan(self, node: Node | None, context: Context) -> None:
        """Collect the effects of an expression."""
        if node is None:
            return
        if context.scope is Scope.MODULE and not self._opaque and self._own_name.within(node):
            made = self._read_factory(node, context)
            self._opaque = any(map(self._may_fill_module, (call for call in _calls_in(node) if call != made)))
        stack = [(node, context.scope is Scope.MODULE, context)]
        while stack:
            part, top, around = stack.pop()
            if not self.effects.within(part):
                continue
            self._collect_effect(part, top, around)
            inner = top and part.type != "lambda"
            stack.extend((child, inner, within) for child, within in reversed(self._evaluated_parts(part, around)))

    def _evaluated_parts(self, node: Node, context: Context) -> list[tuple[Node, Context]]:
        """Return the parts of an expression that may be evaluated, by the conditions that are known, and whether they are."""
        if node.type == "boolean_operator":
            operands, decisive = operands_of(node), sign_of(node) == b"or"
            undecided = takewhile(lambda operand: self.conditions.holds(operand) is not decisive, operands)
            evaluated = operands[: sum(1 for _ in undecided) + 1]
            known = takewhile(lambda operand: self.conditions.holds(operand) is not None, evaluated)
            return _with_contexts(evaluated, sum(1 for _ in known) + 1, context)
        parts = parts_of(node)
        if node.type == "conditional_expression":
            holds = self.conditions.holds(parts[1])
            if holds is None:
                return [(parts[1], context), (parts[0], context.doubt()), *_with_contexts(parts[2:], 0, context)]
            return [(part, context) for part in (parts[:2] if holds else parts[1:])]
        if node.type == "lambda" or (node.type == "type" and self._lazy_annotations):
            context = context.doubt()._replace(scope=Scope.FUNCTION)
        return _with_contexts(parts, _COUNT_OF_CERTAIN.get(node.type, len(parts)), context)

    def _collect_effect(self, node: Node, top: bool, context: Context) -> None:
        """Collect the effect of a part of an expression; `top` is True where it binds names of the module."""
        match node.type:
            case "call":
                self._collect_call(node, top, context)
            case "named_expression" if top:
                name, value = part_of(node, "name"), part_of(node, "value")
                if name is not None and value is not None:
                    # It may be after an `and`, or in an empty comprehension.
                    self.bind(name, self.names.kind_of_value(value), context.branch())
            case "assignment" | "augmented_assignment" if value := part_of(node, "right"):
                self._changes.read_alias(node, value)
            case "attribute" if context.scope is not Scope.FUNCTION and (lost := self._lost.find(node)) is not None:
                self._add_read(*lost, line_of(node), context)
            case "subscript" if value := part_of(node, "value"):
                if self.names.origin_of(value) == "sys.modules":
                    self._collect_module(node, top)

    def _collect_call(self, node: Node, top: bool, context: Context) -> None:
        name, arguments = self.names.origin_of(part_of(node, "function")), arguments_of(node)
        if name is None:
            return
        imported: tuple[str, int] | None = None
        if name in IMPORTERS and arguments:
            imported = _imported_by_call(arguments)
        elif _makes_names(name, arguments, top):
            self._collect_namespace(node, top)
        elif name in ("setattr", "builtins.setattr") and len(arguments) > 1:
            self._give(arguments[0], string_of(arguments[1]) or "*")
        if imported is not None:
            certain = imported[1] == 0 and (name != "__import__" or len(arguments) == 1)
            self.add_import(*imported, (), line_of(node), context if certain else context.doubt(), by_name=True)
        self._changes.read_call(node, name, arguments)

    def _collect_module(self, node: Node, top: bool) -> None:
        """Collect the effect of `sys.modules[…]`: code that has a module may bind names in it."""
        name = string_of(part_of(node, "subscript"))
        if _has_name_argument(node):
            self.note_unreadable(later=None if top else line_of(node))
        elif name is not None:
            self._given[f"{name.rpartition('.')[2]}.*"] = None

    def _collect_namespace(self, node: Node, top: bool) -> None:
        """Collect the effect of `globals()` and the like: `globals()["NAME"] = …` binds a name that is known."""
        place = node.parent
        name = string_of(part_of(place, "subscript")) if place is not None and place.type == "subscript" else None
        if name is None or place is None or part_of(place, "value") != node:
            self.note_unreadable(later=None if top else line_of(node))
        else:
            self.names.bind(name, NameKind.OTHER, line_of(node), straight=False)
            self.names.forget_values([name], later=None if top else line_of(node))

    def _may_fill_module(self, call: Node) -> bool:
        """Return whether a call gets `__name__`, and may bind names in the module or replace it.

        Classes don't, nor loggers: `Flask(__name__)`, `get_logger(__name__)`.
        """
        if not is_given_module_name(call):
            return False
        function = part_of(call, "function")
        name = self.names.origin_of(function) or ""
        last = name.rpartition(".")[2] or name_of(function and part_of(function, "attribute"))
        harmless = "log" in last.lower() or last[:1].isupper() or last in SHOWING or last in _ASKING_FUNCTIONS
        return not harmless and name.partition(".")[0] not in _ASKING_MODULES

    def _read_factory(self, statement: Node, context: Context) -> Node | None:
        """Return the call of `name = factory(__name__)` with an imported function, which may make a `__getattr__`."""
        assignment = next(iter(parts_of(statement)), None)
        if statement.type != "expression_statement" or assignment is None or assignment.type != "assignment":
            return None
        target, call = part_of(assignment, "left"), part_of(assignment, "right")
        if target is None or target.type != "identifier" or call is None or call.type != "call" or not context.straight:
            return None
        function, arguments = name_of(part_of(call, "function")), arguments_of(call)
        if len(arguments) != 1 or not _is_module_name(arguments[0]) or function not in self.names.origins:
            return None
        if self._may_fill_module(call):
            self._made[name_of(target)] = self.names.origins[function]
        return call

    def _give_target(self, node: Node) -> None:
        """Note that a module gets a name, by an assignment to an attribute, or loses it."""
        if node.type == "attribute" and (owner := part_of(node, "object")) and (name := part_of(node, "attribute")):
            self._give(owner, name_of(name))

    def _give(self, module: Node, name: str) -> None:
        """Note that a module gets a name, if this seems to be a module."""
        first = (dotted_name_of(module) or "").partition(".")[0]
        origin = self.names.origin_of(module) if first in self.names.origins else None
        if module.type in ("call", "subscript"):
            origin = self._module_in(module)
        for one in self._loops.get(code_of(module).decode(errors="replace"), [origin]):
            if one:
                self._given[f"{one.rpartition('.')[2]}.{name}"] = None


def _with_contexts(parts: list[Node], certain: int, context: Context) -> list[tuple[Node, Context]]:
    """Return parts with their contexts, of which so many are evaluated for certain."""
    doubted = context.doubt() if certain < len(parts) else context
    return [(part, context if index < certain else doubted) for index, part in enumerate(parts)]


def _makes_names(name: str, arguments: list[Node], top: bool) -> bool:
    if name in _NAMESPACES:
        # In a function, `locals()` and `vars()` are its own names.
        return not arguments and (top or name == "globals")
    return name.removeprefix("builtins.") in _EXECUTORS


def is_given_module_name(call: Node) -> bool:
    """Return whether a call gets `__name__`, as functions that replace or fill the module do."""
    return call.type == "call" and any(
        _is_module_name(part_of(one, "value") if one.type == "keyword_argument" else one) for one in arguments_of(call)
    )


def _calls_in(node: Node) -> Iterator[Node]:
    """Yield the calls in an expression that are given `__name__` somewhere inside."""
    stack = [node]
    while stack:
        part = stack.pop()
        if part.type == "call":
            yield part
        stack.extend(child for child in parts_of(part) if b"__name__" in code_of(child))


def _imported_by_call(arguments: list[Node]) -> tuple[str, int] | None:
    """Return the module and level that `import_module` or the like imports; None if they are unknown."""
    name = string_of(arguments[0]) or ""
    module = name.lstrip(".")
    level = len(name) - len(module)
    package = _package_argument(arguments[1:]) if level else None
    if literal := string_of(package):
        parents = literal.split(".")
        return (".".join((*parents[: len(parents) - level + 1], module)), 0) if level <= len(parents) else None
    given = code_of(package) in (b"__name__", b"__package__")
    return (module, level) if given or (name and not level) else None


def _package_argument(arguments: list[Node]) -> Node | None:
    for argument in arguments:
        if argument.type != "keyword_argument":
            return argument
        if name_of(part_of(argument, "name")) == "package":
            return part_of(argument, "value")
    return None


def _is_module_name(node: Node | None) -> bool:
    return code_of(node) == b"__name__"


def _has_name_argument(subscript: Node) -> bool:
    return _is_module_name(part_of(subscript, "subscript"))
