"""Reads which shared libraries a module opens by literal names, with ctypes or cffi.

- `ctypes.CDLL("libpango-1.0.so.0")`, `cdll.LoadLibrary(…)` (https://docs.python.org/3/library/ctypes.html#loading-shared-libraries);
- `ctypes.util.find_library("pango-1.0")`, whose result another call opens;
- `ffi.dlopen("libpango-1.0.so.0")` (https://cffi.readthedocs.io/en/stable/cdef.html);
- a function of the module that is given the names that a library has on several systems, as `_dlopen` of WeasyPrint and
  `dlopen` of cairocffi (https://github.com/Kozea/WeasyPrint/blob/main/weasyprint/text/ffi.py);
- an imported function that is given the name of a file, such as `load("libpango-1.0.so.0")`, if it does the same in its module.

What a `try` or `suppress` around it survives isn't read, nor what a condition in a function decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import NameTable
from cdk_lambda_package.import_analysis.facts import OpenedLibrary
from cdk_lambda_package.import_analysis.guards import always_raises
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    body_of,
    code_of,
    dotted_name_of,
    line_of,
    name_of,
    part_of,
    parts_of,
    string_of,
    unwrap,
)

_WORDS = (b"CDLL", b"PyDLL", b"LoadLibrary", b"find_library", b"dlopen")
_FINDER = "find_library"
_OPENERS = frozenset({"CDLL", "PyDLL", "LoadLibrary", "dlopen"})
# A literal that may be the name of a library, or its path.
_NAME = re.compile(r"[\w.+/-]+")
_SHARED = re.compile(r"\.so(\.|$)")
_SHARED_IN_CODE = re.compile(rb"\.so[.'\"]")
# What certainly isn't the error of a missing library, which is an OSError.
_OTHER_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError", "TypeError", "ValueError", "KeyError"})  # fmt: skip
_DEFINITIONS = frozenset({"function_definition", "class_definition", "lambda"})
_CONDITIONAL = frozenset({"if_statement", "while_statement", "for_statement", "match_statement", "conditional_expression",
                          "boolean_operator"})  # fmt: skip


class OpenedLibraries:
    """The libraries that a module opens: `note` is told the statements that run when it is imported."""

    def __init__(self, root: Node, code: bytes, names: NameTable) -> None:
        """Look for functions of the module that open what they are given."""
        self.found: list[OpenedLibrary] = []
        self._names, self._root = names, root
        self._is_active = any(word in code for word in _WORDS)
        self._functions = frozenset(self._find_functions()) if self._is_active else frozenset[str]()
        # An imported function may open what it is given, although its name doesn't say so.
        self._is_active |= _SHARED_IN_CODE.search(code) is not None

    @property
    def openers(self) -> tuple[str, ...]:
        """The module's functions that open what they are given."""
        return tuple(sorted(self._functions))

    def note(self, statement: Node) -> None:
        """Note the libraries that a statement of the module opens while the module is imported."""
        if self._is_active:
            self._read(statement, deferred=False)

    def note_functions(self) -> None:
        """Note the libraries that functions of the module open without a condition."""
        for function in _functions_in(self._root) if self._is_active else ():
            for statement in parts_of(part_of(function, "body")):
                if statement.type not in _CONDITIONAL:
                    self._read(statement, deferred=True)

    def _read(self, statement: Node, *, deferred: bool) -> None:
        for call in _calls_in(statement):
            names, by = self._names_opened_by(call), ""
            if not names and (by := self._imported_function(call)):
                names = _names_given(arguments_of(call))
            if names and not self._survives(call) and not self._is_asked_for(call):
                self.found.append(OpenedLibrary(names, line_of(call), deferred, by))

    def _imported_function(self, call: Node) -> str:
        """Return the full name of an imported function that gets the name of a library's file, "" for any other call."""
        texts = filter(None, map(string_of, _literals_in(arguments_of(call))))
        given = any(_SHARED.search(text) and _NAME.fullmatch(text) for text in texts)
        name = dotted_name_of(part_of(call, "function")) if given else None
        first, _, rest = (name or "").partition(".")
        known = name is not None and first in self._names.origins and _last_name(call) not in (_FINDER, *_OPENERS)
        return ".".join(filter(None, (self._names.origins[first], rest))) if known else ""

    def _names_opened_by(self, call: Node) -> tuple[str, ...]:
        """Return the names by which a call looks for one library, () if it isn't such a call or others are computed."""
        function = (dotted_name_of(part_of(call, "function")) or "").rpartition(".")[2]
        arguments = arguments_of(call)
        if not arguments:
            return ()
        if dotted_name_of(part_of(call, "function")) in self._functions:
            return _names_given(arguments)
        if function == _FINDER:
            opener = _enclosing_call(call)
            # The call around it is read with it.
            return () if opener and self._names_opened_by(opener) else _plausible([string_of(arguments[0])])
        if function not in _OPENERS:
            return ()
        names = _alternatives(arguments[0])
        # On Linux, ctypes opens files by their names alone: any other name is for another system.
        literal = string_of(arguments[0])
        if function != "dlopen" and literal is not None and not _SHARED.search(literal):
            return ()
        return names

    def _survives(self, call: Node) -> bool:
        """Return whether something around a call catches the error of a missing library, up to the function around it."""
        inside, node = call, call.parent
        while node is not None and node.type not in _DEFINITIONS:
            if node.type == "try_statement" and inside == part_of(node, "body"):
                clauses = [part for part in parts_of(node) if part.type.startswith("except")]
                if any(_catches(clause) and not always_raises(body_of(clause), self._names) for clause in clauses):
                    return True
            if node.type == "with_statement" and b"suppress" in code_of(parts_of(node)[0]):
                return True
            inside, node = node, node.parent
        return False

    def _is_asked_for(self, call: Node) -> bool:
        """Return whether code goes on without the library: by `or`, or by a condition on the name that is bound to it."""
        node = call.parent
        while node is not None and node.type != "assignment":
            if node.type in _CONDITIONAL and not _enclosing_call(call):
                return True
            if node.type.endswith("_statement"):
                return node.type == "if_statement" or _last_name(call) == _FINDER
            node = node.parent
        target = part_of(node, "left") if node is not None else None
        if target is None or target.type != "identifier":
            # To look for a library opens none.
            return _last_name(call) == _FINDER
        name = name_of(target)
        conditions = list(_conditions_on(name, self._root))
        if _last_name(call) == _FINDER and not conditions:
            return re.search(rb"(CDLL|LoadLibrary|dlopen)\(\s*%s\b" % name.encode(), code_of(self._root)) is None
        return any(self._goes_on(one, name) for one in conditions)

    def _goes_on(self, if_statement: Node, name: str) -> bool:
        condition = re.sub(r"\s+", " ", code_of(part_of(if_statement, "condition")).decode(errors="replace"))
        fails = condition.strip("()") in (f"not {name}", f"{name} is None")
        return not fails or not always_raises(part_of(if_statement, "consequence"), self._names)

    def _find_functions(self) -> Iterator[str]:
        """Yield the names of the module's functions that open what they are given, and fail if that isn't there."""
        for function in parts_of(self._root):
            if function.type == "function_definition" and any(word in code_of(function) for word in _WORDS):
                calls = [call for call in _calls_in(function) if _last_name(call) in _OPENERS]
                given = [call for call in calls if arguments_of(call) and string_of(arguments_of(call)[0]) is None]
                raises = re.search(rb"(?m)^\s*raise\b", code_of(function)) is not None
                if given and (raises or any(not self._survives(call) for call in given)):
                    yield name_of(part_of(function, "name"))


def _last_name(call: Node) -> str:
    return (dotted_name_of(part_of(call, "function")) or "").rpartition(".")[2]


def _alternatives(argument: Node) -> tuple[str, ...]:
    """Return the names in `"libx.so.1"`, and in `find_library("x") or "libx.so.1"`."""
    argument = unwrap(argument)
    parts = parts_of(argument) if argument.type == "boolean_operator" else [argument]
    names: list[str | None] = []
    for part in map(unwrap, parts):
        if part.type == "call" and _last_name(part) == _FINDER and arguments_of(part):
            names.append(string_of(arguments_of(part)[0]))
        elif part.type == "boolean_operator":
            names += _alternatives(part) or [None]
        else:
            names.append(string_of(part))
    return () if None in names else _plausible(names)


def _names_given(arguments: list[Node]) -> tuple[str, ...]:
    """Return the names in the arguments of a function of the module; () if there may be others."""
    names: list[str | None] = []
    for argument in map(unwrap, arguments):
        if argument.type == "keyword_argument":
            value = part_of(argument, "value")
            # Such as allow_fail=True.
            if value is None or value.type in ("true", "false"):
                return ()
            continue
        if argument.type in ("list", "tuple"):
            names += map(string_of, parts_of(argument))
        elif argument.type == "string":
            names.append(string_of(argument))
        elif argument.type not in ("identifier", "attribute", "integer", "none"):
            return ()
    return () if None in names else _plausible(names)


def _literals_in(arguments: list[Node]) -> Iterator[Node]:
    for argument in map(unwrap, arguments):
        yield from parts_of(argument) if argument.type in ("list", "tuple") else [argument]


def _plausible(names: list[str | None]) -> tuple[str, ...]:
    return tuple(name for name in names if name and _NAME.fullmatch(name))


def _catches(clause: Node) -> bool:
    caught = b" ".join(code_of(part).partition(b" as ")[0] for part in parts_of(clause) if part.type != "block")
    names = [name.decode() for name in re.findall(rb"\b\w+\b(?!\s*\.)", caught)]
    return not names or not all(name in _OTHER_ERRORS for name in names)


def _calls_in(node: Node) -> Iterator[Node]:
    """Yield the calls of a statement in order, without those in functions that it defines."""
    stack = parts_of(node) if node.type in _DEFINITIONS else [node]
    while stack:
        one = stack.pop(0)
        if one.type == "call":
            yield one
        if one.type not in _DEFINITIONS:
            stack[:0] = parts_of(one)


def _enclosing_call(call: Node) -> Node | None:
    """Return the call that gets the result of another one."""
    node = call.parent
    while node is not None and node.type in ("argument_list", "parenthesized_expression", "boolean_operator"):
        node = node.parent
    return node if node is not None and node.type == "call" else None


def _functions_in(node: Node) -> Iterator[Node]:
    for part in parts_of(node):
        if part.type == "function_definition":
            yield part
        elif part.type in ("class_definition", "decorated_definition", "block"):
            yield from _functions_in(part)


def _conditions_on(name: str, root: Node) -> Iterator[Node]:
    """Yield the `if` statements with a name in their condition."""
    word = re.compile(rf"\b{re.escape(name)}\b".encode())
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "if_statement" and word.search(code_of(part_of(node, "condition"))):
            yield node
        stack += [part for part in parts_of(node) if part.type == "block" or part.type.endswith(("_statement", "_clause", "_definition"))]  # fmt: skip
