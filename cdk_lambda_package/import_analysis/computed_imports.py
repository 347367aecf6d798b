"""Reads which modules a source names without an import of its own that has their names.

- A call of a function that imports what it is given, by a literal: `lazy_call("boto3.s3.inject.inject_bucket_methods")` of boto3
  (https://github.com/boto/boto3/blob/develop/boto3/utils.py), `import_optional_dependency("lxml")` of pandas. The function may be one of the
  module, or an imported one.
- An import by a name with a literal part, `import_module(f"anyio._backends._{name}")`, which may be any module that has this part.

Both are found by text, and tell what may be loaded. No finding follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import ANY_MODULE, ComputedImport
from cdk_lambda_package.import_analysis.places import places_of
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    line_of,
    name_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    text_of,
    unwrap,
)
from cdk_lambda_package.target import PythonVersion, standard_presence

IMPORTERS = frozenset({"__import__", "builtins.__import__", "importlib.import_module", "importlib.__import__"})
"""The functions that import a module by its name, by their full names."""
_WORDS = (b"import_module(", b"__import__(")
# A literal that is the first argument and may name a module, or something in one, as in "lib.orders:find".
_GIVEN = re.compile(rb"\(\s*+[\"']([A-Za-z_]\w*+(?:[.:]\w++)*+)[\"']\s*+[,)]")
# A function and no class, whose name begins with a capital letter.
_FUNCTION = re.compile(rb"(?<![\w.)\]])(?:[A-Za-z_]\w*+\.)*+[a-z_]\w*+\Z")
_LONGEST_NAME = 80
# What makes the name of a module of that of something in it, and what only changes how it is written.
_CUT = rb"\.(?:lstrip|partition|replace|rpartition|rsplit|rstrip|split|strip)\("
_WHOLE_OR_CUT = re.compile(rb"(\w+)(?:%b.*)?" % _CUT, re.S)
_ASSIGNED = re.compile(rb"(?m)^[ \t]*(\w+)[^=\n]*=[ \t]*(\w+)(?:%b|[ \t]*$)" % _CUT)
_FILLED = re.compile(r"%(?:\(\w*\))?[rs]|\{[^{}]*\}")
# The lazy tables of a package say what it imports for a name.
_ANSWERING = "__getattr__"
_PACKAGE = (b"__name__", b"__package__")


def read_computed(
    root: Node, code: bytes, origins: Mapping[str, str], python: PythonVersion
) -> tuple[tuple[str, ...], tuple[ComputedImport, ...]]:
    """Return the module's functions that import what they are given, and the imports by computed names.

    `root` is the tree of the code, and `origins` are the full names of what the module imports.

    Example:
        For `import_module(f"lib._{name}")` in a function, it is `((), (ComputedImport("lib._*", line=3, deferred=True),))`.
    """
    functions: dict[str, None] = {}
    found: dict[ComputedImport, None] = {}
    for call in _calls_of_importers(root, code, origins):
        function = _function_around(call)
        argument = arguments_of(call)[0]
        pattern = _pattern_in_call(call, _value_of(argument, function or root))
        if pattern is not None and (function is None or name_of(part_of(function, "name")) != _ANSWERING):
            found[ComputedImport(pattern, line_of(call), deferred=True)] = None
        if function is not None and _gets(function, argument):
            functions[name_of(part_of(function, "name"))] = None
    found.update(dict.fromkeys(_calls_with_names(root, code, origins, functions, python)))
    return tuple(functions), tuple(found)


def _calls_of_importers(root: Node, code: bytes, origins: Mapping[str, str]) -> Iterator[Node]:
    """Yield the calls that import a module by a name that is no literal."""
    for place in sorted(chain.from_iterable(places_of(word, code) for word in _WORDS)):
        call = _call_at(place, root)
        arguments = arguments_of(call) if call is not None else []
        if call is not None and arguments and string_of(arguments[0]) is None:
            first, dot, rest = (dotted_name_of(part_of(call, "function")) or "").partition(".")
            if f"{origins.get(first, first)}{dot}{rest}" in IMPORTERS:
                yield call


def _call_at(place: int, root: Node) -> Node | None:
    """Return the call of the function whose name has this place."""
    node = root.descendant_for_byte_range(place, place)
    while node is not None and node.type in ("attribute", "identifier"):
        node = node.parent
    return node if node is not None and node.type == "call" else None


def _function_around(node: Node) -> Node | None:
    """Return the function at the top level that has a node; None for a node outside of functions, and in a class."""
    parent, function = node.parent, None
    while parent is not None and parent.type != "class_definition":
        function = parent if parent.type == "function_definition" else function
        parent = parent.parent
    return function if parent is None else None


def _gets(function: Node, argument: Node) -> bool:
    """Return whether an argument in a function is its first parameter, or is cut out of it."""
    parameter = next(iter(parts_of(part_of(function, "parameters"))), None)
    name = part_of(parameter, "name") if parameter is not None else None
    given = code_of(name or next(iter(parts_of(parameter)), None) or parameter)
    match = _WHOLE_OR_CUT.fullmatch(code_of(argument))
    sources = dict(_ASSIGNED.findall(code_of(function)))
    source = match[1] if match is not None else b""
    while source and source != given:
        source = sources.pop(source, b"")
    return bool(source)


def _value_of(argument: Node, block: Node) -> Node:
    """Return the value of an argument that is a name to which a function, or the module, assigns once; else the argument."""
    name = code_of(argument)
    places = (
        list(re.finditer(rb"(?m)^[ \t]*%b[ \t]*=(?!=)" % re.escape(name), code_of(block)))
        if argument.type == "identifier"
        else []
    )
    if len(places) != 1:
        return argument
    place = block.start_byte + places[0].end() - 1
    assignment = block.descendant_for_byte_range(place, place)
    assignment = assignment.parent if assignment is not None and assignment.type == "=" else None
    return (part_of(assignment, "right") if assignment is not None else None) or argument


def _pattern_in_call(call: Node, name: Node) -> str | None:
    """Return the name that a call imports with `*` for what isn't in the source, None if no package is."""
    others = arguments_of(call)[1:]
    pattern = _pattern_of(name)
    package = next((part_of(one, "value") if one.type == "keyword_argument" else one for one in others), None)
    if pattern is None or not re.match(r"\.*[A-Za-z_][\w.]*\.\w*\*|\.+\w*\*", pattern):
        return None
    return pattern if not pattern.startswith(".") or code_of(package) in _PACKAGE else None


def _pattern_of(node: Node) -> str | None:
    """Return a text with `*` for each part that isn't in the source."""
    node = unwrap(node)
    literal = string_of(node)
    if literal is not None:
        return literal
    if node.type == "string":
        contents = (part for part in node.named_children if part.type in ("string_content", "interpolation"))
        return "".join(ANY_MODULE if part.type == "interpolation" else text_of(part) for part in contents)
    left = part_of(node, "left")
    if node.type == "binary_operator" and left is not None:
        right = part_of(node, "right")
        if sign_of(node) == b"+" and right is not None:
            return f"{_pattern_of(left) or ANY_MODULE}{_pattern_of(right) or ANY_MODULE}"
        literal = string_of(left) if sign_of(node) == b"%" else None
    function = part_of(node, "function") if node.type == "call" else None
    if function is not None and code_of(function).endswith(b".format"):
        literal = string_of(part_of(function, "object"))
    return _FILLED.sub(ANY_MODULE, literal) if literal is not None else None


def _calls_with_names(
    root: Node, code: bytes, origins: Mapping[str, str], functions: Mapping[str, None], python: PythonVersion
) -> Iterator[ComputedImport]:
    """Yield the calls with the name of a module of these functions, and of imported ones that may import it."""
    seen: set[tuple[str, bytes]] = set()
    for match in _GIVEN.finditer(code):
        start = match.start()
        # What is behind the last space: looking for a name in it is several times faster than in the code before.
        called = _FUNCTION.search(code[max(start - _LONGEST_NAME, 0) : start].rpartition(b" ")[2])
        name = called[0].decode() if called is not None else ""
        first, _, rest = name.partition(".")
        if not (first in origins or name in functions) or (name, match[1]) in seen:
            continue
        seen.add((name, match[1]))
        origin = origins[first] if name not in functions else ""
        call = _call_at(start - 1, root) if not _is_standard(origin, python) else None
        if call is not None:
            by = ".".join(filter(None, (origin, rest)))
            yield ComputedImport(match[1].decode().replace(":", "."), line_of(call), deferred=_is_deferred(call), by=by)


def _is_standard(origin: str, python: PythonVersion) -> bool:
    return bool(origin) and standard_presence(origin.partition(".")[0], python) is not None


def _is_deferred(node: Node) -> bool:
    parent = node.parent
    while parent is not None and parent.type not in ("function_definition", "lambda"):
        parent = parent.parent
    return parent is not None
