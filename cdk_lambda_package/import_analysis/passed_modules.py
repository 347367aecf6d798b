"""Reads what a source passes whole to other code, that may bind names in it if it is a module: `patch(lib)`, `vars(lib)`.

The source is searched as text, since the names are few and a module has thousands of calls. A comment or a docstring that has
such a call too makes a list of names incomplete, and no finding wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from cdk_lambda_package.import_analysis.places import places_of_name
from cdk_lambda_package.import_analysis.source import code_of, part_of
from cdk_lambda_package.target import PythonVersion, standard_presence

# A name that may be a whole argument, and what is before the bracket of a call.
_ALONE = re.compile(rb"[(,=][ \t\n]*+([a-z_][\w.]*+)[ \t\n]*+(?=[,)])")
_CALLED = re.compile(rb"(?:\b(?:(def|class)[ \t]+))?(?<![\w.])([A-Za-z_][\w.]*)\Z")
_BRACKET = re.compile(rb"([)\]}])|[(\[{]")
_FARTHEST = 400
_COMPREHENSIONS = frozenset(
    {"dictionary_comprehension", "generator_expression", "list_comprehension", "set_comprehension"}
)
_SCOPES = _COMPREHENSIONS | {"function_definition", "lambda"}
# What is around a name where a statement binds it: in an assignment, which isn't a keyword of a call, in a loop, and after the `as`
# of a statement that doesn't import.
_BEFORE_ASSIGNED = re.compile(rb"[ \t]*(?:[\w*]+[ \t]*,[ \t]*)*")
_AFTER_ASSIGNED = re.compile(rb"[ \t]*(?:,[^=\n()]*|:[^=\n]*)?=(?!=)")
_BEFORE_LOOPED = re.compile(rb"\bfor\b[^:\n]*\Z")
_AFTER_LOOPED = re.compile(rb"[^:\n]*\bin\b")
_BEFORE_NAMED = re.compile(rb"[ \t]*(?:async[ \t]+)?(?:except|with)\b[^\n]*\bas[ \t]+")
_VARIABLES = re.compile(rb"vars\(\s*([A-Za-z_][\w.]*+)\s*\)")
_NAMESPACE = re.compile(rb"\.__dict__\b")
_OWNER = re.compile(rb"(?<![\w.)\]])[A-Za-z_][\w.]*\Z")
# What only looks a name up, or goes through the names.
_READ = re.compile(rb"\s*(?:\.(?:copy|get|items|keys|values)\b|\[[^\]\n]*\](?!\s*[|+]?=(?!=)|[^\]\n]*\]))")
_READ_BEFORE = re.compile(
    rb"(?:\bin[ \t]+|\*\*|\b(?:all|any|dict|enumerate|filter|iter|len|list|print|repr|set|sorted|str|tuple)\(\s*)\Z"
)
# Functions that bind no name in a module that they are given. `vars` and `setattr` are read apart.
_HARMLESS = frozenset(
    {"bool", "callable", "cast", "dir", "delattr", "dict", "files", "frozenset", "getattr", "getdoc", "getfile", "getmembers",
     "getmodule", "getsource", "getsourcefile", "hasattr", "hash", "help", "id", "import", "isinstance", "ismodule", "issubclass", "iter",
     "len", "list", "path", "print", "reload", "repr", "set", "setattr", "sorted", "str", "super", "tuple", "type", "vars"}
)  # fmt: skip
_HARMLESS_OWNERS = ("inspect.", "logging.", "os.", "pkgutil.", "resources.", "typing.", "warnings.")


def passed_names(root: Node, code: bytes, origins: Mapping[str, str], python: PythonVersion) -> tuple[str, ...]:
    """Return what may be modules to which names are given, as imports write their full names, sorted.

    `root` is the tree of the code, and `origins` are the full names of what the module imports. What is of the standard library
    isn't among them.

    Example:
        For `patch(lib)` and the origins `{"lib": "demo.lib"}`, it is `("demo.lib",)`.
    """
    found: set[str] = set()
    origins = {
        name: full for name, full in origins.items() if standard_presence(full.partition(".")[0], python) is None
    }
    local: dict[tuple[int, str], bool] = {}
    for place, name, before in (*_namespaces(code), *_arguments(code, origins)):
        full = _full(name.decode(), origins)
        known = not full or full in found or (before is not None and not _is_given_away(code, before))
        if not known and not _is_local(root.descendant_for_byte_range(place, place), name, local):
            found.add(full)
    return tuple(sorted(found))


def _arguments(code: bytes, origins: Mapping[str, str]) -> Iterator[tuple[int, bytes, int]]:
    """Yield the places and names of arguments that are imported, and where the bracket or comma before is."""
    # A module has thousands of arguments, and few of them are imported.
    known = {origin.encode() for origin in origins}
    if not known:
        return
    for match in _ALONE.finditer(code):
        name = match[1]
        if name.partition(b".")[0] in known and _full(name.decode(), origins):
            yield match.start(1), name, match.start()


def _is_local(node: Node | None, name: bytes, known: dict[tuple[int, str], bool]) -> bool:
    """Return whether the first part of a name is that of a parameter or variable in a function around a node.

    A function is read once for a name; `known` has the answers.
    """
    first = name.partition(b".")[0].decode()
    while node is not None:
        if node.type in _SCOPES:
            if (node.id, first) not in known:
                known[node.id, first] = _has_local(node, first)
            if known[node.id, first]:
                return True
        node = node.parent
    return False


def _has_local(scope: Node, name: str) -> bool:
    code = code_of(scope)
    places = list(places_of_name(name, code))
    if scope.type in _COMPREHENSIONS:
        return any(_is_looped(code, *place) for place in places)
    is_parameter = any(True for _ in places_of_name(name, code_of(part_of(scope, "parameters"))))
    return is_parameter or any(_is_bound(code, *place) or _is_looped(code, *place) for place in places)


def _is_bound(code: bytes, start: int, end: int) -> bool:
    """Return whether the name at a place gets a value there by a statement that isn't a loop."""
    line = _line_before(code, start)
    assigned = _AFTER_ASSIGNED.match(code, end, end + _FARTHEST) and _BEFORE_ASSIGNED.fullmatch(code, line, start)
    return bool(assigned or _BEFORE_NAMED.fullmatch(code, line, start))


def _is_looped(code: bytes, start: int, end: int) -> bool:
    """Return whether the name at a place is the variable of a loop, in a statement or an expression."""
    before = _BEFORE_LOOPED.search(code, _line_before(code, start), start)
    return before is not None and _AFTER_LOOPED.match(code, end, end + _FARTHEST) is not None


def _line_before(code: bytes, place: int) -> int:
    """Return where the line of a place begins, or a place in it that isn't far away: lines of data can have megabytes."""
    nearest = max(place - _FARTHEST, 0)
    return max(code.rfind(b"\n", nearest, place) + 1, nearest)


def _full(name: str, origins: Mapping[str, str]) -> str:
    first, _, rest = name.partition(".")
    if first not in origins:
        return ""
    full = ".".join(filter(None, (origins[first], rest)))
    # By convention (PEP 8), classes and constants begin with a capital letter, and modules don't.
    return "" if full.rpartition(".")[2][:1].isupper() else full


def _is_given_away(code: bytes, place: int) -> bool:
    """Return whether the argument after a place is that of a call which may bind names in it."""
    opening = _opening(code, place)
    called = _CALLED.search(code[max(opening - 80, 0) : opening]) if opening >= 0 else None
    if called is None or called[1]:
        return False
    name = called[2].decode()
    return name.rpartition(".")[2] not in _HARMLESS and not name.startswith(_HARMLESS_OWNERS)


def _opening(code: bytes, place: int) -> int:
    """Return the place of the bracket that is open at a place, -1 if it isn't that of a call or far away."""
    if code.startswith(b"(", place):
        return place
    depth = 0
    for match in reversed(list(_BRACKET.finditer(code, max(place + 1 - _FARTHEST, 0), place + 1))):
        if match[1]:
            depth += 1
        elif depth:
            depth -= 1
        else:
            return match.start() if match[0] == b"(" else -1
    return -1


def _namespaces(code: bytes) -> Iterator[tuple[int, bytes, None]]:
    """Yield the places and names of what a source takes the namespace of, for more than to look names up."""
    found = [(match.start(), match.end(), match[1]) for match in _VARIABLES.finditer(code)]
    for match in _NAMESPACE.finditer(code):
        owner = _OWNER.search(code[max(match.start() - 80, 0) : match.start()])
        if owner is not None:
            found.append((match.start() - len(owner[0]), match.end(), owner[0]))
    for start, end, name in found:
        line = code.rfind(b"\n", 0, start) + 1
        if _READ.match(code, end) is None and _READ_BEFORE.search(code[line:start]) is None:
            yield start, name, None
