"""What expressions of a module do: import modules by name, make up names, change where modules are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import NameTable
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    name_of,
    part_of,
    parts_of,
    string_of,
    text_of,
)


class Walrus(NamedTuple):
    """A name that an expression binds in the scope around it (PEP 572)."""

    name: Node
    value: Node


class DynamicImport(NamedTuple):
    """`import_module`, `__import__` or the like, with a literal name."""

    module: str
    level: int
    call: Node


class OpaqueNames(NamedTuple):
    """Unknown names may be bound."""


class ChangedPath(NamedTuple):
    """Modules may be found elsewhere, or made up."""


class GivenName(NamedTuple):
    """Another module gets a name, as in `ModuleFacts.given`."""

    name: str


Effect = Walrus | DynamicImport | OpaqueNames | ChangedPath | GivenName

# An expression without any of these words has no effect. Searched one by one: that is many times faster than a pattern of
# alternatives.
_WORDS = (b":=", b"import", b"exec", b"eval", b"globals", b"locals", b"vars", b"modules", b"path", b"addsitedir",
          b"_convert", b"setattr", b"run_module", b"resolve_name")  # fmt: skip
_IMPORTERS = frozenset({"__import__", "builtins.__import__", "importlib.import_module", "importlib.__import__"})
# "a.b:c" imports a.b; in "a.b.c" without a colon only a is certainly a module.
_RESOLVERS = frozenset({"pkgutil.resolve_name"})
_RUNNERS = frozenset({"runpy.run_module"})
_NAMESPACES = frozenset({"globals", "locals", "vars"})
_EXECUTORS = frozenset({"exec", "eval"})
# Of enum: they make members names of the module, as several modules of the standard library do.
_ENUM_CONVERTERS = frozenset({"_convert", "_convert_"})
_ADDERS = frozenset({"site.addsitedir", "site.main"})
_FINDERS = frozenset({"sys.path", "sys.meta_path", "sys.path_hooks", "__path__"})
_HIDEABLE = _IMPORTERS | _RESOLVERS | _RUNNERS | _FINDERS | _ADDERS | {"sys.modules"}
# These only read a list that they are given; any other function might change it.
_READERS = frozenset(
    {"any", "all", "dict", "enumerate", "filter", "iter", "len", "list", "map", "print", "repr", "reversed", "set",
     "sorted", "str", "tuple", "zip"}
)  # fmt: skip
_READING_METHODS = frozenset({"copy", "count", "get", "index", "items", "keys", "pop", "values"})
# Extends a package by the folders of its name elsewhere on the path, where an import of it would look anyway.
_NAMESPACE_PACKAGES = ("extend_path", "declare_namespace")


class ExpressionScanner:
    """Finds the effects of a module's expressions."""

    def __init__(self, names: NameTable, holds: Callable[[Node], bool | None], code: bytes) -> None:
        """Scan a module with this `code`; `holds` evaluates its conditions."""
        self._names = names
        self._holds = holds
        self._words = [word for word in _WORDS if word in code]

    def scan(self, node: Node, *, at_top_level: bool) -> Iterator[Effect]:
        """Yield the effects of an expression; `at_top_level` is True where a walrus binds a name of the module."""
        code = code_of(node)
        if not any(word in code for word in self._words) and not any(word in code for word in self._names.aliases):
            return
        stack = [(node, at_top_level)]
        while stack:
            part, top = stack.pop()
            yield from self._effects_of(part, top)
            inner = top and part.type != "lambda"
            stack.extend((child, inner) for child in reversed(self._evaluated_parts(part)))

    def _evaluated_parts(self, node: Node) -> list[Node]:
        """Return the parts of an expression that may be evaluated, by the conditions that are known."""
        parts = parts_of(node)
        if node.type == "boolean_operator" and (operator := part_of(node, "operator")) is not None:
            decided = self._holds(parts[0]) is (code_of(operator) == b"or")
            return parts[:1] if decided else parts
        if node.type == "conditional_expression" and (holds := self._holds(parts[1])) is not None:
            return parts[:2] if holds else parts[1:]
        return parts

    def effects_on_target(self, node: Node) -> Iterator[Effect]:
        """Yield the effects of assigning to an attribute, an item or a name, or of deleting it."""
        place = node
        while place.type == "subscript" and (value := part_of(place, "value")) is not None:
            place = value
        origin = self._names.origin_of(place)
        if origin in _FINDERS or (origin == "sys.modules" and not _has_name_argument(node)):
            yield ChangedPath()
        if node.type == "attribute" and (owner := part_of(node, "object")) and (name := part_of(node, "attribute")):
            yield from self._give(owner, name_of(name))

    def _give(self, module: Node, name: str) -> Iterator[Effect]:
        """Yield that a module gets a name, if this seems to be a module."""
        first = (dotted_name_of(module) or "").partition(".")[0]
        origin = self._names.origin_of(module) if first in self._names.origins else None
        if module.type == "subscript" and (table := part_of(module, "value")) is not None:
            index = part_of(module, "subscript")
            found = index is not None and self._names.origin_of(table) == "sys.modules"
            origin = string_of(index) if found and index is not None else None
        if origin:
            yield GivenName(f"{origin.rpartition('.')[2]}.{name}")

    def _effects_of(self, node: Node, top: bool) -> Iterator[Effect]:
        match node.type:
            case "call":
                yield from self._effects_of_call(node, top)
            case "named_expression" if top:
                name, value = part_of(node, "name"), part_of(node, "value")
                if name is not None and value is not None:
                    yield Walrus(name, value)
            case "assignment" | "augmented_assignment":
                if (value := part_of(node, "right")) is not None and self._names.origin_of(value) in _FINDERS:
                    # It may be changed under the other name at any time.
                    yield ChangedPath()
            case "subscript" if (value := part_of(node, "value")) is not None:
                if self._names.origin_of(value) == "sys.modules" and _has_name_argument(node):
                    yield OpaqueNames()

    def _effects_of_call(self, node: Node, top: bool) -> Iterator[Effect]:
        function, arguments = part_of(node, "function"), arguments_of(node)
        name = self._names.origin_of(function) if function is not None else None
        if name in _IMPORTERS and arguments:
            yield from _read_import(node, arguments)
        elif name in _RUNNERS | _RESOLVERS and arguments:
            module = string_of(arguments[0])
            found = module if name in _RUNNERS or not module else _resolved_module(module)
            if found:
                yield DynamicImport(found, 0, node)
        elif name is not None and _makes_names(name, arguments, top):
            yield OpaqueNames()
        elif name in ("setattr", "builtins.setattr") and len(arguments) > 1:
            yield from self._give(arguments[0], string_of(arguments[1]) or "*")
        if name is not None and self._changes_path(name, arguments):
            yield ChangedPath()

    def _changes_path(self, name: str, arguments: list[Node]) -> bool:
        owner, _, method = name.rpartition(".")
        if owner in _FINDERS or owner == "sys.modules":
            return method not in _READING_METHODS
        given = any(self._names.origin_of(argument) in _FINDERS for argument in arguments)
        return name in _ADDERS or (given and name not in _READERS and method not in _NAMESPACE_PACKAGES)


def _makes_names(name: str, arguments: list[Node], top: bool) -> bool:
    if name in _NAMESPACES:
        # In a function, `locals()` and `vars()` are its own names.
        return not arguments and (top or name == "globals")
    if name.rpartition(".")[2] in _ENUM_CONVERTERS:
        return any(map(_is_module_name, arguments))
    return name.removeprefix("builtins.") in _EXECUTORS


def hides_origin(name: str, origin: str) -> bool:
    """Return whether a name hides that it stands for something which is searched for by its own name."""
    return origin in _HIDEABLE and not any(word.decode() in name for word in _WORDS)


def is_given_module_name(call: Node) -> bool:
    """Return whether a call gets `__name__`, as functions that replace or fill the module do."""
    return call.type == "call" and any(map(_is_module_name, arguments_of(call)))


def extends_namespace(node: Node) -> bool:
    """Return whether an expression extends a namespace package as was usual before PEP 420."""
    text = text_of(node)
    return any(word in text for word in _NAMESPACE_PACKAGES)


def _read_import(call: Node, arguments: list[Node]) -> Iterator[Effect]:
    name = string_of(arguments[0]) or ""
    module = name.lstrip(".")
    level = len(name) - len(module)
    package = _package_argument(arguments[1:]) if level else None
    if package is not None and (literal := string_of(package)):
        parents = literal.split(".")
        if level <= len(parents):
            yield DynamicImport(".".join((*parents[: len(parents) - level + 1], module)), 0, call)
    elif (name and not level) or (package is not None and code_of(package) in (b"__name__", b"__package__")):
        yield DynamicImport(module, level, call)


def _resolved_module(name: str) -> str:
    module, colon, _ = name.partition(":")
    return module if colon else module.partition(".")[0]


def _package_argument(arguments: list[Node]) -> Node | None:
    for argument in arguments:
        if argument.type != "keyword_argument":
            return argument
        name = part_of(argument, "name")
        if name is not None and name_of(name) == "package":
            return part_of(argument, "value")
    return None


def _is_module_name(node: Node) -> bool:
    return code_of(node) == b"__name__"


def _has_name_argument(subscript: Node) -> bool:
    index = part_of(subscript, "subscript")
    return index is not None and _is_module_name(index)
