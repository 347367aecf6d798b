"""The names that a module's `__getattr__` (PEP 562) has an answer to, where its source lists them.

Deprecated names are usual: `if name == "soft_unicode": …`, or a look-up in a literal table; all other names raise AttributeError.

A package may have one function that makes the `__getattr__` of its modules, with tables for all of them:
`__getattr__ = getattr_migration(__name__)` of pydantic (https://github.com/pydantic/pydantic/blob/main/pydantic/_migration.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import AnswererFactory
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    body_of,
    code_of,
    dotted_name_of,
    name_of,
    operands_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    text_of,
    unwrap,
)

Names = frozenset[str]

_MAPPING_READERS = frozenset({b"get", b"items", b"keys", b"values"})
_READERS = frozenset(
    {b"any", b"all", b"dict", b"frozenset", b"iter", b"len", b"list", b"set", b"sorted", b"tuple"}
)  # fmt: skip
# Texts that are made of names: `f"{module}:{name}"`, and `f"lib.{name}"`.
_FULL_NAME = re.compile(rb"[fF]([\"'])\{(\w+)\}([^{}\w\\]+)\{(\w+)\}\1")
_MADE_NAME = re.compile(r"[fF]([\"'])([^{}\\]*)\{(\w+)\}([^{}\\]*)\1")
_NESTED = frozenset({"class_definition", "decorated_definition", "function_definition"})


class Answered(NamedTuple):
    """The names that a `__getattr__` has an answer to, and the name of the function to which it passes all others on, or ""."""

    names: Names
    passed_to: str


def answered_names(function: Node, root: Node, answerers: Collection[str] = ()) -> Answered | None:
    """Return the names for which a module's `__getattr__` may return a value; None if the source doesn't list them.

    `root` is the module, whose literal tables the function may use; `answerers` are functions that it may pass names on to.
    """
    name = _only_parameter(function)
    if name is None:
        return None
    answers = _Answers(name, _Tables(root), answerers=answerers)
    body = part_of(function, "body")
    if not answers.read(body, None) or not _ends(body) or len(answers.passed_to) > 1:
        return None
    return Answered(frozenset(answers.names), next(iter(answers.passed_to), ""))


def answerer_factories(root: Node, code: bytes) -> Iterator[AnswererFactory]:
    """Yield the functions of a module that make a `__getattr__` for a module by its name, if literal tables list the answers."""
    for factory in parts_of(root) if b"AttributeError" in code and _FULL_NAME.search(code) else ():
        module = _only_parameter(factory) if factory.type == "function_definition" else None
        *before, last = parts_of(part_of(factory, "body")) or [factory]
        made = name_of(next(iter(parts_of(last)), None)) if last.type == "return_statement" else ""
        function = next((one for one in before if one.type in _NESTED and name_of(part_of(one, "name")) == made), None)
        name = _only_parameter(function) if function is not None and function.type == "function_definition" else None
        if module is None or name is None or function is None:
            continue
        answers, body = _Answers(name, _Tables(root), module=module), part_of(function, "body")
        if answers.read(body, None) and _ends(body) and answers.separator:
            yield AnswererFactory(name_of(part_of(factory, "name")), answers.separator, tuple(sorted(answers.names)))


def _only_parameter(function: Node) -> str | None:
    parameters = parts_of(part_of(function, "parameters"))
    first = parts_of(parameters[0])[0] if parameters and parameters[0].type == "typed_parameter" else None
    name = first or (parameters[0] if parameters else None)
    return name_of(name) if name is not None and name.type == "identifier" and len(parameters) == 1 else None


def changes_module(function: Node, names: Names, root: Node) -> bool:
    """Return whether a `__getattr__` may bind other names of the module than `names` or the one that it is asked for."""
    code = code_of(function)
    if b"sys.modules" in code:
        return True
    tables, asked = _Tables(root), (_only_parameter(function) or "").encode()
    aliases = re.findall(rb"^\s*(\w+) = globals\(\)$", code, re.M)
    item = rb"\bglobals\(\)\s*\[\s*\w+\s*\]"
    for alias in aliases:
        used = re.findall(rb"\b%s\b(?:\s*\[\s*(\w+)\s*\])?" % re.escape(alias), code)
        # Once where it is bound; then only to bind names of a table that are answered anyway, beside the one that is asked for.
        if used.count(b"") != 1 or not all(
            word == asked or tables.has_only(word, names, code) for word in used if word
        ):
            return True
    return len(re.findall(rb"\bglobals\b", code)) != len(re.findall(item, code)) + len(aliases)


class _Answers:
    """Collects the names that reach a `return`. Each block has a guard: the names that get there, None for any name."""

    def __init__(
        self, name: str, tables: _Tables, *, answerers: Collection[str] = (), module: str | None = None
    ) -> None:
        """Begin with the function's parameter; `module` is that of the factory around it, whose tables have full names."""
        self.names: set[str] = set()
        self.passed_to: set[str] = set()
        # What is between the module and the name in a key of the tables.
        self.separator = ""
        self._answerers, self._module = answerers, module
        # The variable that tables are asked for: the name, or in a factory, a text that is made of the module and the name.
        self._name, self._key = name, name if module is None else ""
        # Variables with all names that the module has without an answer.
        self._namespaces: set[str] = set()
        self._tables = tables
        # Variables with the value of a table for the name: None for a name that isn't in it.
        self._looked_up: dict[str, Names] = {}

    def read(self, block: Node | None, guard: Names | None) -> bool:
        """Read a block; return False if any name may get a value."""
        for statement in parts_of(block):
            if statement.type == "if_statement":
                known, guard = self._read_if(statement, guard)
            else:
                known = self._read_statement(statement, guard)
            if not known:
                return False
        return True

    def _read_statement(self, statement: Node, guard: Names | None) -> bool:
        if statement.type in _NESTED:
            return True
        if statement.type == "return_statement":
            return self._read_return(statement, guard)
        self._read_assignment(statement)
        return all(self.read(block, guard) for block in _blocks_of(statement))

    def _read_if(self, statement: Node, guard: Names | None) -> tuple[bool, Names | None]:
        """Return whether the names are known, and the guard of the statements after an `if`."""
        rest, passes = guard, False
        for clause in (statement, *statement.children_by_field_name("alternative")):
            condition, block = part_of(clause, "condition"), part_of(clause, "consequence") or body_of(clause)
            if condition is None:
                return self.read(block, rest), guard if passes or not _ends(block) else frozenset()
            for variable, table in self._named_tables(condition):
                self._looked_up[variable] = table
            there, elsewhere = self._admitted(condition)
            if not self.read(block, _both(rest, there)):
                return False, guard
            passes |= not _ends(block)
            rest = _both(rest, elsewhere)
        return True, guard if passes else rest

    def _read_return(self, statement: Node, guard: Names | None) -> bool:
        value = next(iter(parts_of(statement)), None)
        if guard is None and value is not None:
            if value.type == "call" and [name_of(one) for one in arguments_of(value)] == [self._name]:
                function = name_of(part_of(value, "function"))
                if function in self._answerers:
                    self.passed_to.add(function)
                    return True
            guard = self._table_at(value)
        self.names |= guard or set()
        return guard is not None

    def _read_assignment(self, statement: Node) -> None:
        expression = next(iter(parts_of(statement)), None)
        if statement.type != "expression_statement" or expression is None or expression.type != "assignment":
            return
        target, value = part_of(expression, "left"), part_of(expression, "right")
        if target is not None and target.type == "identifier":
            self._read_variable(name_of(target), value)
            self._looked_up.pop(name_of(target), None)
            table = self._table_of_get(value)
            if table is not None:
                self._looked_up[name_of(target)] = table

    def _read_variable(self, name: str, value: Node | None) -> None:
        """Read the assignment to a variable that may be what tables are asked for, or all names of the module."""
        self._namespaces.discard(name)
        if name in (self._name, self._key, self._module):
            # It is asked for another one from here on.
            self._key = ""
        if self._module is None:
            return
        made = _FULL_NAME.fullmatch(code_of(value))
        if made is not None and not self.separator:
            module, self.separator, asked = (made[number].decode() for number in (2, 3, 4))
            self._key = name if (module, asked) == (self._module, self._name) else ""
        if text_of(value) in (f"sys.modules[{self._module}].__dict__", f"vars(sys.modules[{self._module}])"):
            self._namespaces.add(name)

    # Conditions: the names for which one may hold, and those for which it may not; None for any name

    def _admitted(self, condition: Node) -> tuple[Names | None, Names | None]:
        condition = unwrap(condition)
        match condition.type:
            case "not_operator":
                there, elsewhere = self._admitted(part_of(condition, "argument") or condition)
                return elsewhere, there
            case "boolean_operator":
                sides = [self._admitted(operand) for operand in operands_of(condition)]
                every, some = [one for one, _ in sides], [other for _, other in sides]
                if sign_of(condition) == b"and":
                    return _all_of(every), _any_of(some)
                return _any_of(every), _all_of(some)
            case "comparison_operator":
                return self._compared(condition)
            case "identifier":
                return self._looked_up.get(name_of(condition)), None
            case "named_expression":
                return self._table_of_get(part_of(condition, "value")), None
        return None, None

    def _compared(self, condition: Node) -> tuple[Names | None, Names | None]:
        operands, signs = parts_of(condition), condition.children_by_field_name("operators")
        if len(operands) != 2 or len(signs) != 1:
            return None, None
        left, right = operands
        sign = b" ".join(code_of(signs[0]).split())
        if sign in (b"is", b"is not") and right.type == "none":
            variable = part_of(unwrap(left), "name") if unwrap(left).type == "named_expression" else left
            table = self._looked_up.get(name_of(variable))
            return (None, table) if sign == b"is" else (table, None)
        if name_of(left) == self._name and sign == b"in" and name_of(right) in self._namespaces:
            return frozenset(), None
        if name_of(left) != self._key:
            left, right = (right, left) if sign in (b"==", b"!=") else (left, right)
        if not self._key or name_of(left) != self._key:
            return None, None
        text = string_of(right)
        if sign in (b"==", b"!=") and text is not None:
            names: Names | None = frozenset({text})
        else:
            names = self._tables.names_of(right) if sign in (b"in", b"not in") else None
        return (names, None) if sign in (b"==", b"in") else (None, names)

    def _named_tables(self, condition: Node) -> Iterator[tuple[str, Names]]:
        stack = [condition]
        while stack:
            node = stack.pop()
            if node.type == "named_expression":
                table = self._table_of_get(part_of(node, "value"))
                if table is not None:
                    yield name_of(part_of(node, "name")), table
            stack.extend(parts_of(node))

    def _table_of_get(self, node: Node | None) -> Names | None:
        """Return the names in `TABLE` of `TABLE.get(name)`, or of `TABLE.get(name, None)`."""
        function = part_of(node, "function") if node is not None and node.type == "call" else None
        if node is None or function is None or function.type != "attribute":
            return None
        name, *default = arguments_of(node) or [node]
        known = name_of(name) == (self._key or None) and all(one.type == "none" for one in default)
        is_get = name_of(part_of(function, "attribute")) == "get"
        return self._tables.names_of(part_of(function, "object")) if known and is_get else None

    def _table_at(self, node: Node) -> Names | None:
        """Return the names in `TABLE` if an expression has `TABLE[name]` in it, which fails for other names."""
        stack = [node]
        while stack:
            part = stack.pop()
            value, index = part_of(part, "value"), part_of(part, "subscript")
            if part.type == "subscript" and index is not None and name_of(index) == (self._key or None):
                table = self._tables.names_of(value)
                if table is not None:
                    return table
            # Other expressions may not evaluate all of their parts.
            if part.type in ("argument_list", "attribute", "call", "subscript"):
                stack.extend(parts_of(part))
        return None


class _Tables:
    """The literal tables of a module: what is assigned once, and never changed after."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._code = code_of(root)

    def names_of(self, node: Node | None) -> Names | None:
        """Return the names in a literal table, or in one that the module assigns to this name."""
        if node is None:
            return None
        node = unwrap(node)
        if node.type == "identifier":
            return self._find(name_of(node))
        if node.type == "call" and dotted_name_of(part_of(node, "function")) in ("frozenset", "set", "tuple"):
            return self.names_of(next(iter(arguments_of(node)), None))
        if (
            node.type == "call"
            and name_of(part_of(function := part_of(node, "function") or node, "attribute")) == "keys"
        ):
            return self.names_of(part_of(function, "object"))
        if node.type == "dictionary":
            return _strings(part_of(pair, "key") for pair in parts_of(node))
        if node.type in ("dictionary_comprehension", "set_comprehension"):
            return self._made_names(node)
        return _strings(parts_of(node)) if node.type in ("list", "set", "tuple") else None

    def _made_names(self, node: Node) -> Names | None:
        """Return the names of `{f"lib.{name}": … for name in TABLE}`."""
        made, *clauses = parts_of(node)
        key = part_of(made, "key") if made.type == "pair" else made
        clause = clauses[0] if len(clauses) == 1 else None
        if key is None or clause is None or clause.type != "for_in_clause":
            return None
        variable, table = name_of(part_of(clause, "left")), self.names_of(part_of(clause, "right"))
        parts = _MADE_NAME.fullmatch(text_of(key))
        if parts is None or parts[3] != variable or table is None or len(parts_of(clause)) != 2:
            return None
        return frozenset(f"{parts[2]}{name}{parts[4]}" for name in table)

    def has_only(self, variable: bytes, names: Names, code: bytes) -> bool:
        """Return whether a variable of a loop in some code is always one of `names`, by a table that the loop goes through."""
        loops = re.findall(rb"\bfor %s, [^:\n]* in (\w+)\.items\(\):" % re.escape(variable), code)
        tables = [self._find(loop.decode()) for loop in loops]
        return bool(tables) and all(table is not None and table <= names for table in tables)

    def _find(self, name: str) -> Names | None:
        value = next(_assigned_values(self._root, name), None)
        if value is None or value.type == "identifier" or self._may_change(name.encode()):
            return None
        return self.names_of(value)

    def _may_change(self, name: bytes) -> bool:
        word = rb"(?<![\w.])%s\b" % re.escape(name)
        assigned = re.findall(rb"%s\s*(?:\[[^\]]*\]\s*)?(?::[^=\n]*)?[|+&^-]?=(?!=)" % word, self._code)
        methods = re.findall(rb"%s\s*\.\s*(\w+)" % word, self._code)
        calls = re.findall(rb"(\w+)\(\s*(?:[^()]*,\s*)?%s\s*[,)]" % word, self._code)
        removed = re.search(rb"\bdel\s+%s" % word, self._code) is not None
        return (
            len(assigned) != 1 or removed or not _MAPPING_READERS.issuperset(methods) or not _READERS.issuperset(calls)
        )


def _assigned_values(root: Node, name: str) -> Iterator[Node]:
    for statement in parts_of(root):
        for part in parts_of(statement) if statement.type == "expression_statement" else ():
            value = part_of(part, "right") if part.type == "assignment" else None
            if value is not None and name_of(part_of(part, "left")) == name:
                yield value


def _strings(nodes: Iterable[Node | None]) -> Names | None:
    values = [string_of(node) for node in nodes]
    return None if None in values else frozenset(value for value in values if value is not None)


def _both(one: Names | None, other: Names | None) -> Names | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _all_of(sets: list[Names | None]) -> Names | None:
    known: Names | None = None
    for one in sets:
        known = _both(known, one)
    return known


def _any_of(sets: list[Names | None]) -> Names | None:
    return None if None in sets else frozenset[str]().union(*(one for one in sets if one is not None))


def _blocks_of(statement: Node) -> Iterator[Node]:
    """Yield the blocks of a statement, with those of its clauses."""
    for part in parts_of(statement):
        if part.type == "block":
            yield part
        elif part.type.endswith("_clause"):
            yield from _blocks_of(part)


def _ends(block: Node | None) -> bool:
    """Return whether nothing gets past the end of a block."""
    last = next(reversed(parts_of(block)), None)
    if last is None or last.type in ("return_statement", "raise_statement"):
        return last is not None
    return last.type in _ENDINGS and _ENDINGS[last.type](last)


def _if_ends(statement: Node) -> bool:
    clauses = statement.children_by_field_name("alternative")
    blocks = [part_of(statement, "consequence"), *(part_of(one, "consequence") or body_of(one) for one in clauses)]
    return bool(clauses) and clauses[-1].type == "else_clause" and all(map(_ends, blocks))


def _try_ends(statement: Node) -> bool:
    clauses = [part for part in parts_of(statement) if part.type != "block"]
    after = [body_of(part) for part in clauses if part.type == "else_clause"] or [part_of(statement, "body")]
    return all(_ends(body_of(part)) for part in clauses if part.type == "except_clause") and _ends(after[0])


_ENDINGS: dict[str, Callable[[Node], bool]] = {
    "if_statement": _if_ends,
    "try_statement": _try_ends,
    "with_statement": lambda statement: _ends(part_of(statement, "body")),
}
