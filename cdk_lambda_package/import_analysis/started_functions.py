"""Tells which imports in functions certainly run, since code that runs at import calls the function or makes an object of a class.

- A call in the same module, such as `bootstrap()` at the end of the loader of opencv-python
  (https://github.com/opencv/opencv/blob/4.x/modules/python/package/cv2/__init__.py).
- A call in another module, such as `tracer = Tracer()` with aws-lambda-powertools
  (https://github.com/aws-powertools/powertools-lambda-python/blob/develop/aws_lambda_powertools/tracing/tracer.py), whose
  `__init__` imports the SDK two methods further on. `FunctionRun` says what such a call runs.

Only what is beyond doubt counts: the call is a statement of a module's own, the name of the function is bound once and to no other
value in the function that calls it, it isn't decorated, and nothing before the import may leave it without an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import count, takewhile
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import NameTable
from cdk_lambda_package.import_analysis.facts import FunctionRun, ImportStatement, ModuleFacts
from cdk_lambda_package.import_analysis.places import places_of, places_of_name
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    body_of,
    code_of,
    line_of,
    name_of,
    operands_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    target_nodes,
    text_of,
    unwrap,
)

_LEAVING = re.compile(rb"\b(?:return|yield|await|exit|_exit|abort|quit)\b")
_DEFINITIONS = frozenset({"class_definition", "decorated_definition", "function_definition"})
# What they have inside is evaluated later, or perhaps not at all.
_DEFERRED = frozenset({"dictionary_comprehension", "generator_expression", "lambda", "list_comprehension", "set_comprehension"})  # fmt: skip
# A place that an object or class keeps a value in: an attribute, or an item of one.
_KEPT = re.compile(r"(\w+)\.(\w+)(?:\[([\"'])(\w+)\3\])?")
# Parts of functions and classes that bind names, by the field of the grammar that has them.
_BINDING = {
    "aliased_import": "alias",
    "as_pattern": "alias",
    "assignment": "left",
    "augmented_assignment": "left",
    "class_definition": "name",
    "for_statement": "left",
    "function_definition": "name",
    "import_from_statement": "name",
    "import_statement": "name",
    "named_expression": "name",
}
# These bind, or unbind, all names in them.
_BINDING_WHOLE = frozenset({"case_pattern", "delete_statement"})
# These bind only what is in an `=` or `:=` of theirs.
_EXPRESSIONS = frozenset({"assert_statement", "call", "expression_statement", "raise_statement", "return_statement"})
_SPLATS = frozenset({"dictionary_splat_pattern", "list_splat_pattern"})
# What may put something else in the place of a method, for one object or for all.
_REPLACING = re.compile(rb"\b(?:__dict__|__getattribute__)\b|\b(?:exec|locals|setattr|vars)[ \t]*\(")
# What changes a function or class from outside: an attribute that is set, `setattr`, and a call in the module's own statements.
# The patterns are those of what is before or after its name.
_ATTRIBUTE_SET = re.compile(rb"(?:\.\w++)++[ \t]*+(?:=(?!=)|,)")
_SET_BY_CALL = re.compile(rb"\bsetattr\(\s*\Z")
_CALL_AT_TOP = re.compile(rb"[A-Za-z_][\w.]*\(")
_CALLED = re.compile(rb"[ \t]*\(")
_BEFORE_NAME = 40
# A chain of calls that is longer than this leads to no import that a module makes when it is imported.
_MOST_CALLS = 8


class _Known(NamedTuple):
    """Whether an expression is true, None if that is unknown, and the parameters that mustn't be given for that."""

    holds: bool | None
    unless: frozenset[str] = frozenset()


_UNKNOWN = _Known(None)
_Values = Mapping[str, _Known]
# The line of an import, and whether it is a call with the module's name.
_Place = tuple[int, bool]


class _Frame:
    """The names of a function; outside of functions, there is a frame without a node.

    If it is a method, it has the class that is its `owner`, and calls its object `me`.
    """

    def __init__(self, function: Node | None = None, owner: str | None = None) -> None:
        self._function, self.owner = function, owner

    @cached_property
    def changed(self) -> frozenset[str]:
        """The names that statements of the function, or of functions in it, may bind or unbind."""
        return frozenset(_bound_in(part_of(self._function, "body"), nested=True)) if self._function else frozenset()

    @cached_property
    def bound(self) -> frozenset[str]:
        """The names that aren't those of the module: of parameters, and those that are `changed`."""
        return self.changed.union(self._parameters)

    @cached_property
    def me(self) -> str:
        first = next(iter(self._parameters), "") if self.owner else ""
        return first if first not in self.changed else ""

    @cached_property
    def _parameters(self) -> list[str]:
        return [name.lstrip("*") for name, _ in _parameters_of(self._function)] if self._function else []


class StartedFunctions:
    """The functions and classes of a module, with what calls of them certainly import."""

    def __init__(self, facts: ModuleFacts, root: Node, code: bytes, names: NameTable) -> None:
        """Read a module's tree; `facts` are those of its statements alone, and `names` what it binds."""
        self._facts, self._root, self._code, self._names = facts, root, code, names
        self._definitions: dict[str, Node | None] = {}
        self._methods: dict[str, Mapping[str, Node]] = {}
        self._frames: dict[int, _Frame] = {}
        self._doubtful = {one.line for one in facts.imports if _is_in_doubt(one)} if not root.has_error else set()

    def has_call(self, node: Node) -> bool:
        """Return whether an expression may have a call in it, by its text: most have none, and their parts take long to read."""
        return self._code.find(b"(", node.start_byte, node.end_byte) >= 0

    def imports(self) -> tuple[ImportStatement, ...]:
        """Return the module's imports; those that a call at the top level certainly runs are `certain`."""
        if not self._doubtful:
            return self._facts.imports
        places = {place for call in self._calls_at_top() for place in _Walk(self).places_of(call, _Frame(), {})}
        return tuple(
            one._replace(certain=True, deferred=False) if _place_of(one) in places and _is_in_doubt(one) else one
            for one in self._facts.imports
        )

    def runs(self) -> tuple[FunctionRun, ...]:
        """Return which imports run by calls of the module's functions and classes that give no arguments."""
        return tuple(run for name in self._leading_to_imports() for run in self._runs_of(name))

    def _leading_to_imports(self) -> Iterator[str]:
        """Yield the functions and classes with imports in them, and those that call one of these by its name."""
        parts = list(self._at_top.values()) if self._doubtful else []
        starts = [part.start_byte for part in parts]
        found = [
            part
            for part in parts
            if any(part.start_point[0] < line <= part.end_point[0] + 1 for line in self._doubtful)
        ]
        known = {part.id for part in found}
        for part in found:  # grows on the way
            name = name_of(part_of(part, "name"))
            yield name
            for place in places_of(f"{name}(".encode(), self._code):
                index = bisect_right(starts, place) - 1
                if index >= 0 and place < parts[index].end_byte and parts[index].id not in known:
                    known.add(parts[index].id)
                    found.append(parts[index])

    def _runs_of(self, name: str) -> Iterator[FunctionRun]:
        walk = _Walk(self, first=True)
        found: dict[tuple[tuple[str, ...], ...], set[_Place]] = {}
        for place in walk.places_of_definition(name):
            # What mustn't be given or replaced for the statements up to this one.
            found.setdefault((tuple(sorted(walk.unless)), tuple(sorted(walk.through))), set()).add(place)
        for (unless, through), places in found.items():
            indices = (
                index for index, one in enumerate(self._facts.imports) if _place_of(one) in places and _is_in_doubt(one)
            )
            if imports := tuple(indices):
                yield FunctionRun(name, imports, unless, through)

    def _calls_at_top(self) -> Iterator[Node]:
        """Yield the calls of `f()`, or `x = f()`, after the definition of f."""
        for statement in parts_of(self._root):
            value = _value_of(statement) if statement.type == "expression_statement" else None
            function = part_of(value, "function") if value is not None and value.type == "call" else None
            definition = self.definition(name_of(function)) if function is not None else None
            if value is not None and definition is not None and definition.start_byte < statement.start_byte:
                yield value

    @cached_property
    def _at_top(self) -> Mapping[str, Node]:
        """The functions and classes at the top level, by their names: neither coroutines, nor decorated."""
        parts = (part for part in parts_of(self._root) if part.type in ("class_definition", "function_definition"))
        return {
            name_of(part_of(part, "name")): part
            for part in parts
            if not self._code.startswith(b"async", part.start_byte)
        }

    def definition(self, name: str) -> Node | None:
        """Return the one function or class that a name is bound to at the top level; None if there may be another, or another value."""
        if name not in self._definitions:
            self._definitions[name] = self._find_definition(name)
        return self._definitions[name]

    def _find_definition(self, name: str) -> Node | None:
        node, binding = self._at_top.get(name), self._facts.binding(name)
        if node is None or binding is None or binding.line != line_of(node) or self._is_changed(name):
            return None
        own_lines = range(line_of(node), node.end_point[0] + 2)
        return node if self._names.settled(name, inside=own_lines) is not None else None

    def frame_of(self, function: Node, owner: str | None) -> _Frame:
        """Return the frame of a function, or of a method of the class `owner`."""
        if function.id not in self._frames:
            self._frames[function.id] = _Frame(function, owner)
        return self._frames[function.id]

    def method(self, owner: str, name: str) -> Node | None:
        """Return a method of a class; None if it may have another one: of a base, or that is bound anew."""
        found = self._methods_of(owner).get(name)
        # Python looks up special ones on the class.
        replacing = not name.startswith("__") and _REPLACING.search(self._code) is not None
        return found if not (replacing or self._is_named(name)) else None

    def _methods_of(self, owner: str) -> Mapping[str, Node]:
        """Return the methods in the body of a class that are bound once there."""
        if owner not in self._methods:
            node = self._at_top[owner]
            bases, body = parts_of(part_of(node, "superclasses")), part_of(node, "body")
            known = all(code_of(base) == b"object" for base in bases)
            names = list(_bound_in(body, nested=False)) if known else []
            methods = (part for part in parts_of(body) if part.type == "function_definition")
            named = ((name_of(part_of(part, "name")), part) for part in methods)
            self._methods[owner] = {name: part for name, part in named if names.count(name) == 1}
        return self._methods[owner]

    def _is_named(self, method: str) -> bool:
        """Return whether the module names a method otherwise than to call it; it may assign to it, if only for one object."""
        return any(_CALLED.match(self._code, end) is None for _, end in places_of_name(f".{method}", self._code))

    def _is_changed(self, name: str) -> bool:
        """Return whether the module assigns to attributes of a function or class from outside, or gives it to other code."""
        code = self._code
        for start, end in places_of_name(name, code):
            call = _CALL_AT_TOP.match(code, code.rfind(b"\n", 0, start) + 1)
            given = call is not None and call.end() <= start and _CALLED.match(code, end) is None
            if (
                given
                or _ATTRIBUTE_SET.match(code, end)
                or _SET_BY_CALL.search(code, max(start - _BEFORE_NAME, 0), start)
            ):
                return True
        return False

    def is_empty_at_first(self, place: str, owner: str) -> bool:
        """Return whether a place that a class keeps a value in, such as `self._config["provider"]`, is empty before it does.

        The module fills it in one place only, and its first value is that of the class.
        """
        match = _KEPT.fullmatch(place)
        if match is None or match[1] not in ("self", "cls", owner):
            return False
        _, attribute, _, key = match.groups()
        body = part_of(self._at_top[owner], "body")
        values = dict(_values_at_top(body))
        value = values.get(attribute)
        kept = rf"\.{attribute}" + (rf"\[[\"']{key}[\"']\]" if key else "")
        filled = re.findall(rf"{kept}(?:\s*:[^=\n]+)?\s*(?:=(?!=)|[-+*/|&]=)".encode(), self._code)
        if (
            len(filled) != 1
            or value is None
            or re.search(rf"\b{attribute}\.(?:update|setdefault)\b".encode(), self._code)
        ):
            return False
        if key is None:
            return _is_empty(value)
        copied = (
            arguments_of(value)
            if value.type == "call" and code_of(part_of(value, "function")).endswith(b"copy")
            else []
        )
        literal = values.get(name_of(copied[0])) if len(copied) == 1 else value
        # Where the whole is assigned again, it gets its first value back.
        resets = re.findall(rf"\.{attribute}[ \t]*=(?!=)[ \t]*([^\n]+)".encode(), self._code)
        first = re.sub(rb"\s", b"", code_of(value))
        if any(re.sub(rb"\s|\b(?:cls|self)\.", b"", reset) != first for reset in resets):
            return False
        pairs = parts_of(literal) if literal is not None and literal.type == "dictionary" else []
        if any(pair.type != "pair" for pair in pairs):
            return False
        found = [part_of(pair, "value") for pair in pairs if string_of(part_of(pair, "key")) == key]
        return len(found) == 1 and _is_empty(found[0])


class _Walk:
    """Follows one call through the functions of a module.

    It collects in `unless` the parameters that the call mustn't give, and in `through` the names that it goes through.

    It is the `first` call of all if nothing was kept from one before it.
    """

    def __init__(self, module: StartedFunctions, *, first: bool = False) -> None:
        self.unless: set[str] = set()
        self.through: set[str] = set()
        self._module, self._first, self._depth = module, first, 0

    def places_of_definition(self, name: str) -> Iterator[_Place]:
        """Yield the places of the imports that a call of a function or class without arguments runs."""
        for function, owner in self._functions_of(name):
            parameters = _parameters_of(function)[1 if owner else 0 :]
            values = {one: _Known(known.holds, frozenset({one, str(index)}) if known.holds is not None else frozenset())
                      for index, (one, known) in enumerate(parameters)}  # fmt: skip
            yield from self._places_of_function(function, owner, values)

    def places_of(self, call: Node, frame: _Frame, values: _Values) -> Iterator[_Place]:
        """Yield the places of the imports that a call runs, in a function with this frame and these values of names."""
        function = part_of(call, "function")
        if function is None or self._depth >= _MOST_CALLS:
            return
        if code_of(function).endswith(b"import_module"):
            if name_of(function) not in frame.bound:
                yield line_of(call), True
        elif function.type == "identifier":
            # First what is rare: most calls are of something else, and the names of a frame take long to find.
            for one, cls in self._functions_of(name_of(function)):
                if name_of(function) not in frame.bound:
                    yield from self._places_of_function(one, cls, _given(call, one, cls, values, self))
        elif function.type == "attribute" and frame.owner is not None:
            method = self._module.method(frame.owner, name_of(part_of(function, "attribute")))
            if method is not None and frame.me == text_of(part_of(function, "object")):
                given = _given(call, method, frame.owner, values, self)
                yield from self._places_of_function(method, frame.owner, given)

    def _functions_of(self, name: str) -> Iterator[tuple[Node, str | None]]:
        """Yield what a call of a function or class runs, with the class."""
        node = self._module.definition(name)
        if node is None:
            return
        if node.type == "function_definition":
            yield node, None
            return
        init = self._module.method(name, "__init__")
        # A class with a `__new__` of its own may have made its only object before.
        if b"__new__" not in code_of(node) and init is not None:
            yield init, name

    def _places_of_function(self, function: Node, owner: str | None, values: _Values) -> Iterator[_Place]:
        if re.search(rb"\b(?:yield|await)\b", code_of(function)) or code_of(function).startswith(b"async"):
            return
        self.through.update(filter(None, (owner, name_of(part_of(function, "name")))))
        frame = self._module.frame_of(function, owner)
        self._depth += 1
        known = {name: one for name, one in values.items() if one.holds is not None}
        values = {name: one for name, one in known.items() if name not in frame.changed}
        yield from self._places_of_block(part_of(function, "body"), frame, values)
        self._depth -= 1

    def _places_of_block(self, block: Node | None, frame: _Frame, values: _Values) -> Iterator[_Place]:
        """Yield the places of the imports that a block runs before it may end."""
        for statement in parts_of(block):
            if statement.type in ("import_statement", "import_from_statement"):
                yield line_of(statement), False
            elif statement.type in ("expression_statement", "return_statement"):
                for call in self._calls_in(statement, frame, values):
                    yield from self.places_of(call, frame, values)
            elif statement.type == "if_statement" and (condition := part_of(statement, "condition")) is not None:
                for call in self._calls_in(condition, frame, values):
                    yield from self.places_of(call, frame, values)
                known = self.known(condition, values)
                other = statement.children_by_field_name("alternative")
                if known.holds:
                    self.unless |= known.unless
                    yield from self._places_of_block(part_of(statement, "consequence"), frame, values)
                elif known.holds is False and len(other) == 1 and other[0].type == "else_clause":
                    self.unless |= known.unless
                    yield from self._places_of_block(body_of(other[0]), frame, values)
            if statement.type not in _DEFINITIONS and _LEAVING.search(code_of(statement)):
                return

    def _calls_in(self, node: Node, frame: _Frame, values: _Values) -> Iterator[Node]:
        """Yield the calls that are evaluated with an expression, in order."""
        if not self._module.has_call(node):
            return
        parts = parts_of(node)
        match node.type:
            case kind if kind in _DEFERRED:
                return
            case "boolean_operator":
                yield from self._calls_in_operands(node, frame, values)
                return
            case "conditional_expression":
                yield from self._calls_in(parts[1], frame, values)
                known = self.known(parts[1], values)
                if known.holds is not None:
                    self.unless |= known.unless
                    yield from self._calls_in(parts[0 if known.holds else 2], frame, values)
                return
            case "assignment" | "augmented_assignment":
                parts = [part for part in [part_of(node, "right")] if part is not None]
            case "comparison_operator":
                # `a < f() < g()` may end before the last.
                parts = parts[:2]
        for part in parts:
            yield from self._calls_in(part, frame, values)
        if node.type == "call":
            yield node

    def _calls_in_operands(self, node: Node, frame: _Frame, values: _Values) -> Iterator[Node]:
        decisive = sign_of(node) == b"or"
        for operand in operands_of(node):
            yield from self._calls_in(operand, frame, values)
            known = self._known_operand(operand, frame, values)
            if known.holds is None or known.holds is decisive:
                return
            self.unless |= known.unless

    def _known_operand(self, operand: Node, frame: _Frame, values: _Values) -> _Known:
        """Return what is known of an operand of `kept = given or kept or make()`, by the first call too."""
        known = self.known(operand, values)
        if known.holds is not None or not self._first or frame.owner is None:
            return known
        node = operand.parent
        while node is not None and node.type in ("boolean_operator", "parenthesized_expression"):
            node = node.parent
        target = part_of(node, "left") if node is not None and node.type == "assignment" else None
        place = text_of(operand)
        if target is None or text_of(target) != place or not self._module.is_empty_at_first(place, frame.owner):
            return _UNKNOWN
        return _Known(holds=False)

    def known(self, node: Node, values: _Values) -> _Known:
        """Return whether an expression is true, by the values of names."""
        node = unwrap(node)
        match node.type:
            case "none" | "false":
                return _Known(holds=False)
            case "true":
                return _Known(holds=True)
            case "identifier":
                return values.get(name_of(node), _UNKNOWN)
            case "not_operator":
                known = self.known(parts_of(node)[0], values)
                return known if known.holds is None else known._replace(holds=not known.holds)
        return _UNKNOWN


def _place_of(statement: ImportStatement) -> _Place:
    return statement.line, statement.by_name


def _is_in_doubt(statement: ImportStatement) -> bool:
    return not (statement.certain or statement.guarded or statement.if_missing or statement.if_found or statement.read)


def _value_of(statement: Node) -> Node | None:
    (expression, *_) = parts_of(statement)
    return part_of(expression, "right") if expression.type == "assignment" else expression


def _values_at_top(block: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the names that a block gives values to by `name = value`; a name without a value of its own has another one."""
    for part in parts_of(block):
        expression = parts_of(part)[0] if part.type == "expression_statement" else None
        if expression is not None and expression.type == "assignment" and (value := part_of(expression, "right")):
            yield name_of(part_of(expression, "left")), value


def _is_empty(node: Node | None) -> bool:
    return node is not None and node.type in ("none", "false")


def _parameters_of(function: Node) -> list[tuple[str, _Known]]:
    """Return the parameters of a function in order, with what is known of the value of one that isn't given.

    The name of one that takes the other arguments begins with `*`, and no argument after it has a place.
    """
    found = []
    for part in parts_of(part_of(function, "parameters")):
        splat = next((one for one in (part, *parts_of(part)) if one.type in _SPLATS), None)
        if splat is not None or part.type == "keyword_separator":
            found.append((f"*{name_of(parts_of(splat)[0]) if splat is not None else ''}", _UNKNOWN))
            continue
        value = part_of(part, "value")
        name = part_of(part, "name") or next((one for one in (part, *parts_of(part)) if one.type == "identifier"), None)
        holds = {"none": False, "false": False, "true": True}.get(value.type) if value is not None else None
        if name is not None:
            found.append((name_of(name), _Known(holds)))
    return found


def _given(call: Node, function: Node, owner: str | None, values: _Values, walk: _Walk) -> _Values:
    """Return the values that a call gives to the parameters of a function; `owner` is the class of a method."""
    parameters = _parameters_of(function)[1 if owner else 0 :]
    arguments = arguments_of(call)
    if any(argument.type in ("list_splat", "dictionary_splat") for argument in arguments):
        return {}
    found, places = dict(parameters), count()
    names = list(takewhile(lambda name: not name.startswith("*"), (name for name, _ in parameters)))
    for argument in arguments:
        if argument.type == "keyword_argument":
            name, value = name_of(part_of(argument, "name")), part_of(argument, "value")
        else:
            place = next(places)
            name, value = names[place] if place < len(names) else "", argument
        if name in found:  # else it is one of those that `**` takes
            found[name] = walk.known(value, values) if value is not None else _UNKNOWN
    return found


def _bound_in(block: Node | None, *, nested: bool) -> Iterator[str]:
    """Yield the names that statements of a function or class may bind or unbind; with `nested`, those of functions in it too."""
    stack: list[Node] = parts_of(block)
    while stack:
        node = stack.pop()
        targets = node.children_by_field_name(_BINDING[node.type]) if node.type in _BINDING else []
        for target in [node] if node.type in _BINDING_WHOLE else targets:
            yield from (name_of(one) for one in target_nodes(target) if one.type == "identifier")
        if node.type in _EXPRESSIONS:
            stack += parts_of(node) if b"=" in code_of(node) else ()
        elif nested or node.type not in ("class_definition", "function_definition"):
            stack += parts_of(node)


def arguments_given(name: str, root: Node, code: bytes) -> tuple[str, ...]:
    """Return the arguments that a module's calls of a name give: names, places from 0, and `*` if any may be given.

    Example:
        `arguments_given("Tracer", root, code)` is `("service",)` for `tracer = Tracer(service="orders")`.
    """
    found: set[str] = set()
    for start, end in places_of_name(name, code):
        if code[start - 1 : start] == b"." or _CALLED.match(code, end) is None:
            continue
        node = root.descendant_for_byte_range(start, end)
        call = node.parent if node is not None else None
        if call is not None and call.type == "call" and part_of(call, "function") == node:
            found.update(_argument_names(arguments_of(call)))
    return tuple(sorted(found))


def _argument_names(arguments: Iterable[Node]) -> Iterator[str]:
    places = count()
    for argument in arguments:
        if argument.type == "keyword_argument":
            yield name_of(part_of(argument, "name"))
        elif argument.type in ("list_splat", "dictionary_splat"):
            yield "*"
        else:
            yield str(next(places))
