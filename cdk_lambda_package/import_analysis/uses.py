"""What a module does with names while it is imported: functions that it calls, and attributes of modules that it reads.

A function that is called may import modules, and so may a package that is asked for one of its names (PEP 562). Names are found
in the text, and a method by its name alone, so that a use is only a reason why a module may run.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.source import line_of, name_of, part_of, parts_of

_IMPORTS = frozenset({"future_import_statement", "import_from_statement", "import_statement"})
# Names that are called, or have attributes, and whether they are called.
_USED = re.compile(r"(?<![\w.@])([A-Za-z_]\w*+(?:(?=\()|(?:\.\w++)++))(\(?)")
# An import statement in a block, whose modules aren't uses of names.
_IMPORTED = re.compile(r"^[ \t]*+(?:from[ \t]++[\w.]++[ \t]++)?import\b[^\n(]*+(?:\([^()]*+\))?", re.M)
_BASE = re.compile(r"(?:^|[(,])\s*((?:metaclass\s*=\s*)?[A-Za-z_][\w.]*+)")
# An import of a module whose name is computed, and texts that may be its name, or that of a module in the package.
_COMPUTED = re.compile(
    r"\bpreload_module\(|\b(?:import_module|__import__)\(\s*(?!\s*(?:[rRuU]?['\"][\w.]+['\"]\s*[,)]|\)))"
)
_NAMES = re.compile(r"(?<![\w.])['\"](\.?[A-Za-z_]\w*+(?:\.\w++)*+)['\"]")
# A function in a function, with its lines: those with more indentation.
_NESTED = re.compile(
    r"\n([ \t]++)(?:async[ \t]++)?def[ \t]++(\w++)([^\n]*+(?:\n(?:\1[ \t]++[^\n]++|\1[)\]}][^\n]*+|[ \t]*+(?=\n)))*+)"
)
_DEFINING = re.compile(rb"\b(?:def|class) ")
# What a docstring begins with.
_QUOTES = (b"'", b'"')
# Methods that are called by a call of the class, and by the definition of a subclass or of a class with this metaclass.
_AT_CALL = ("__init__", "__new__", "__post_init__")
_AT_DEFINITION = ("__init_subclass__", "__new__", "__init__", "__prepare__")
# The callers of so many functions are looked for in a module; a module with more is full of imports in functions.
_MOST_SEARCHED = 40


class Function(NamedTuple):
    """A function or method, `Class.method`: where it is, in bytes, and its first and last line."""

    name: str
    start: int
    end: int
    first: int
    last: int


class UseReader:
    """Reads the uses of one module."""

    def __init__(self, root: Node, code: bytes, origins: Mapping[str, str]) -> None:
        """Read a module's tree; `origins` are the full names of its imported names."""
        self._code, self._origins = code, origins
        self.functions: list[Function] = []
        self._bases: dict[str, list[str]] = {}
        self._texts: list[str] = []
        self._by_name: dict[str, list[Function]] = {}
        # Texts that may name modules which are imported by a computed name.
        self.named: tuple[str, ...] = ()
        self._read_block(root, "")

    def _read_block(self, block: Node | None, around: str) -> None:
        for node in parts_of(block):
            self._read(node, around)

    def _read(self, node: Node, around: str) -> None:
        kind = node.type
        if kind == "function_definition":
            self._read_function(node, around)
        elif kind == "class_definition":
            self._read_class(node)
        elif kind == "decorated_definition":
            for part in parts_of(node):
                if part.type == "decorator":
                    self._texts.append(self._text_of(part)[1:].strip() + "(")
                else:
                    self._read(part, around)
        elif kind not in _IMPORTS:
            if kind != "expression_statement" and _DEFINING.search(self._code, node.start_byte, node.end_byte):
                self._read_block(node, around)
            elif self._code[node.start_byte : node.start_byte + 1] not in _QUOTES:
                self._texts.append(self._text_of(node))

    def _read_function(self, node: Node, around: str) -> None:
        parameters = part_of(node, "parameters")
        if parameters is None:
            return
        name = name_of(part_of(node, "name"))
        # Default values, and no annotations: many modules don't evaluate them.
        if self._code.find(b"=", parameters.start_byte, parameters.end_byte) >= 0:
            values = (part_of(one, "value") for one in parts_of(parameters) if one.type.endswith("default_parameter"))
            self._texts += (self._text_of(value) for value in values if value is not None)
        function = Function(f"{around}{name}", node.start_byte, node.end_byte, line_of(node), node.end_point[0] + 1)
        self.functions.append(function)
        self._by_name.setdefault(name, []).append(function)

    def _read_class(self, node: Node) -> None:
        name = name_of(part_of(node, "name"))
        bases = part_of(node, "superclasses")
        if bases is not None:
            self._bases[name] = [one.replace(" ", "") for one in _BASE.findall(self._text_of(bases))]
            self._texts.append(self._text_of(bases))
        self._read_block(part_of(node, "body"), f"{name}.")

    def _text_of(self, node: Node) -> str:
        return self._code[node.start_byte : node.end_byte].decode(errors="replace")

    def started(self) -> tuple[tuple[str, ...], tuple[Function, ...]]:
        """Return imported names that are used at import, in full, with `()` after one that is called, and functions that run."""
        names: dict[str, None] = {}
        started: dict[Function, None] = {}
        read: list[str] = []
        # Each text with the class around it: `self` is one of its objects. Outside of functions, it has no class.
        texts: list[tuple[str, str | None]] = [("\n".join(self._texts), None)]
        called: list[tuple[str, str | None]] = [
            (name, None) for bases in self._bases.values() for base in bases for name in self._at_definition(base)
        ]
        seen: set[tuple[str | None, str, str]] = set()
        while texts or called:
            if called:
                name, around = called.pop()
                first, _, rest = name.removesuffix("(").partition(".")
                if first in self._origins:
                    names[f"{self._origins[first]}{'.' * bool(rest)}{rest}{'()' if name.endswith('(') else ''}"] = None
                elif name.endswith("("):
                    functions = [one for one in self._called(name[:-1], around) if one not in started]
                    started.update(dict.fromkeys(functions))
                    texts += ((self._text_of_function(one), one.name.rpartition(".")[0]) for one in functions)
                continue
            text, around = texts.pop()
            read.append(text)
            rest = _IMPORTED.sub("", text) if "import " in text else text
            found = {(around, *use) for use in _USED.findall(rest)} - seen
            seen |= found
            called += ((name + sign, around) for _, name, sign in found)
        if any(map(_COMPUTED.search, read)):
            self.named = tuple(sorted({name for text in read for name in _NAMES.findall(text)}))
        return tuple(sorted(names)), tuple(started)

    def _text_of_function(self, function: Function) -> str:
        """Return the text of a function without the functions in it, except for those that it calls itself."""
        text = self._code[function.start : function.end].decode(errors="replace")
        rest = _NESTED.sub("", text)
        called = (one[3] for one in _NESTED.finditer(text) if f"{one[2]}(" in rest)
        return rest + "".join(called)

    def _at_definition(self, base: str) -> Iterator[str]:
        """Yield what the definition of a class with this base, or `metaclass=…`, calls."""
        owner = base.removeprefix("metaclass=")
        yield from (f"{owner}.{method}(" for method in (_AT_DEFINITION if owner != base else _AT_DEFINITION[:1]))

    def _called(self, name: str, around: str | None) -> list[Function]:
        """Return the functions that a call may run: those of a class, or of an object, whose class is known for `self` alone."""
        owner, _, method = name.rpartition(".")
        if not owner:
            return [*self._functions(name), *self._methods(name, _AT_CALL)]
        if owner in ("self", "cls"):
            # At the top level, only a lambda has it.
            return self._methods(around, (method,)) if around is not None else []
        if (
            around is not None
            or method.startswith("__")
            or any(one.name == f"{owner}.{method}" for one in self._by_name.get(method, ()))
        ):
            return self._methods(owner, (method,))
        # An object at the top level. Classes are mostly alone in having a method of this name.
        return [one for one in self._by_name.get(method, ()) if "." in one.name]

    def _functions(self, name: str) -> list[Function]:
        return [one for one in self._by_name.get(name, ()) if one.name == name]

    def _methods(self, owner: str, names: Iterable[str]) -> list[Function]:
        """Return methods of a class, or of its bases in the module."""
        owners = dict.fromkeys([owner])
        for one in list(owners):
            owners.update(dict.fromkeys(self._bases.get(one, ())))
        return [
            one for method in names for one in self._by_name.get(method, ()) if one.name[: -len(method) - 1] in owners
        ]

    def bases(self) -> tuple[tuple[str, str], ...]:
        """Return pairs of a class and an imported base, in full; a metaclass has `metaclass=` in front."""
        return tuple(
            (name, f"{sign}{'.'.join(filter(None, (self._origins[first], rest)))}")
            for name, bases in self._bases.items()
            for sign, base in ((one[: one.find("=") + 1], one[one.find("=") + 1 :]) for one in bases)
            for first, _, rest in (base.partition("."),)
            if first in self._origins
        )

    def callers(self, names: Mapping[str, None]) -> tuple[tuple[str, str], ...]:
        """Return pairs of a function and one that it calls, if that is one of `names` or leads to one."""
        pairs: dict[tuple[str, str], None] = {}
        pending = list(names)
        for number, name in enumerate(pending):  # grows on the way
            if number >= _MOST_SEARCHED:
                break
            for caller in self._callers_of(name):
                if caller != name:
                    pairs[caller, name] = None
                    if caller not in pending:
                        pending.append(caller)
        return tuple(pairs)

    def _callers_of(self, name: str) -> Iterator[str]:
        owner, _, last = name.rpartition(".")
        if last in _AT_CALL:
            yield from (other for other, bases in self._bases.items() if owner in bases)
            last, owner = owner, ""
        word = f"{'.' if owner else ''}{last}(".encode()
        place = self._code.find(word)
        while place >= 0:
            caller = self.function_at(place)
            if caller is not None and caller.start + 4 != place and self._is_called_by(caller, place, owner):
                yield caller.name
            place = self._code.find(word, place + 1)

    def _is_called_by(self, caller: Function, place: int, owner: str) -> bool:
        """Return whether a function that has a name at a place calls that of `owner`: a class, or none."""
        before = self._code[max(place - 8, 0) : place]
        if owner:
            return caller.name.startswith(f"{owner}.") and before.endswith((b"self", b"cls", b"super()"))
        return not before[-1:].isalnum() and not before.endswith((b"_", b".", b"def "))

    def function_around(self, line: int) -> Function | None:
        """Return the function or method with this line."""
        index = bisect_right(self.functions, line, key=lambda one: one.first) - 1
        return self.functions[index] if index >= 0 and line <= self.functions[index].last else None

    def function_at(self, place: int) -> Function | None:
        """Return the function or method with this place in it, in bytes."""
        index = bisect_right(self.functions, place, key=lambda one: one.start) - 1
        return self.functions[index] if index >= 0 and place < self.functions[index].end else None
