"""Reads what a module adds to what Python finds: folders of `sys.path`, entries of `sys.modules`, and finders.

The names and folders count where the source shows them, since a module that adds a folder of its own doesn't provide what
another one forgot to require.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.conditions import NameTable
from cdk_lambda_package.import_analysis.facts import ChangeKind, PathChange
from cdk_lambda_package.import_analysis.source import (
    arguments_of,
    code_of,
    dotted_name_of,
    name_of,
    part_of,
    parts_of,
    sign_of,
    string_of,
    unwrap,
)
from cdk_lambda_package.target import PythonVersion

FINDERS = frozenset({"sys.path", "sys.meta_path", "sys.path_hooks", "__path__"})
ADDERS = frozenset({"site.addsitedir", "site.main"})
# These only read a list that they are given; any other function might change it.
_READERS = frozenset(
    {"any", "all", "dict", "enumerate", "filter", "iter", "len", "list", "map", "print", "repr", "reversed", "set",
     "sorted", "str", "tuple", "zip"}
)  # fmt: skip
# These add nothing.
_READING_METHODS = frozenset(
    {"clear", "copy", "count", "get", "index", "items", "keys", "pop", "remove", "reverse", "sort", "values"}
)
# Extends a package by the folders of its name elsewhere on the path, where an import of it would look anyway.
_NAMESPACE_PACKAGES = ("extend_path", "declare_namespace")

# Lambda imports the handler's module in its task root: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
_TASK_ROOT = "/var/task"
# Where a path of the module itself begins; it can't be the name of a file.
_OWN_FILE = "\0"
_OWN_NAME = "\0"

# Functions that leave a path what it is, for this purpose.
_SAME_PATH = frozenset(
    {"os.path.abspath", "os.path.realpath", "os.path.normpath", "os.fspath", "str", "pathlib.Path", "pathlib.PurePath"}
)
_SAME_PATH_METHODS = frozenset({"resolve", "absolute", "as_posix", "expanduser"})

# https://docs.python.org/3.12/whatsnew/3.12.html#importlib: find_module() of finders isn't called any more.
_WITHOUT_FIND_MODULE = (3, 12)


class ChangeReader:
    """Collects the changes that a module makes, if only in a function.

    Example:
        After `reader.read_call(call, "sys.path.append", arguments)`, `reader.changes` has its folder.
    """

    def __init__(self, python: PythonVersion, names: NameTable, code: bytes) -> None:
        self._python, self._names, self._code = python, names, code
        self._changes: dict[PathChange, None] = {}
        self._values: dict[str, Node | None] = {}

    @property
    def changes(self) -> tuple[PathChange, ...]:
        """What was collected, in order."""
        return tuple(self._changes)

    def note_value(self, name: str, value: Node) -> None:
        """Note the value of a name, for paths that are built in steps."""
        self._values[name] = None if name in self._values else value

    def read_call(self, call: Node, name: str, arguments: list[Node]) -> None:
        """Read a call of the function with this full name."""
        owner, _, method = name.rpartition(".")
        if owner == "sys.modules":
            if method not in _READING_METHODS:
                self._add(call, self._entries(method, arguments))
        elif owner in FINDERS:
            if method not in _READING_METHODS:
                self._add(call, self._additions(owner, method, arguments))
        elif name in ADDERS:
            self._add(call, [PathChange(ChangeKind.COMPUTED)])
        elif name not in _READERS and method not in _NAMESPACE_PACKAGES:
            given = (self._names.origin_of(argument) for argument in arguments)
            self._add(call, [self._unknown(origin) for origin in given if origin in FINDERS])

    def read_alias(self, node: Node, value: Node) -> None:
        """Read the assignment of a value to another name: a finder may be changed under it at any time."""
        origin = self._names.origin_of(value)
        if origin in FINDERS:
            self._add(node, [self._unknown(origin)])

    def read_target(self, target: Node, value: Node | None) -> None:
        """Read an assignment to an attribute or an item; None for an unknown value."""
        place = target
        while place.type == "subscript" and (inner := part_of(place, "value")) is not None:
            place = inner
        origin = self._names.origin_of(place)
        if origin == "sys.modules" and target.type == "subscript":
            self._add(target, self._named(part_of(target, "subscript")))
        elif origin in FINDERS:
            self._add(target, self._listed(origin, value))

    def read_own_path(self, node: Node, value: Node | None) -> None:
        """Read an assignment to `__path__`, which is where submodules are searched."""
        if value is None or not any(word.encode() in code_of(value) for word in _NAMESPACE_PACKAGES):
            self._add(node, self._listed("__path__", value))

    def _add(self, node: Node, changes: Iterator[PathChange] | list[PathChange]) -> None:
        for change in changes:
            if not self._is_never_called(node):
                self._changes[change] = None

    def _unknown(self, origin: str | None) -> PathChange:
        return PathChange(ChangeKind.FINDER if origin in ("sys.meta_path", "sys.path_hooks") else ChangeKind.COMPUTED)

    def _additions(self, owner: str, method: str, arguments: list[Node]) -> Iterator[PathChange]:
        added = arguments[-1:] if method in ("append", "insert", "extend") else []
        if not added:
            yield self._unknown(owner)
        elif method == "extend":
            yield from self._listed(owner, added[0])
        else:
            yield from self._listed_one(owner, added[0])

    def _listed(self, owner: str, value: Node | None) -> Iterator[PathChange]:
        """Yield what a list adds: that of `sys.path = [folder] + sys.path` too."""
        value = unwrap(value) if value is not None else None
        if value is not None and value.type == "binary_operator" and code_of(part_of(value, "operator")) == b"+":
            yield from self._listed(owner, part_of(value, "left"))
            yield from self._listed(owner, part_of(value, "right"))
        elif value is not None and value.type in ("list", "tuple"):
            for item in parts_of(value):
                yield from self._listed_one(owner, item)
        elif value is None or self._names.origin_of(value) != owner:
            yield self._unknown(owner)

    def _listed_one(self, owner: str, item: Node) -> Iterator[PathChange]:
        if owner in ("sys.path", "__path__"):
            folder = self._folder(item)
            yield self._unknown(owner) if folder is None else PathChange(ChangeKind.FOLDER, folder)
        elif owner != "sys.meta_path" or not self._is_old_importer(item):
            yield self._unknown(owner)

    # Entries of sys.modules

    def _entries(self, method: str, arguments: list[Node]) -> Iterator[PathChange]:
        if method in ("setdefault", "__setitem__") and arguments:
            yield from self._named(arguments[0])
        elif method == "update" and len(arguments) == 1 and arguments[0].type == "dictionary":
            for pair in parts_of(arguments[0]):
                yield from self._named(part_of(pair, "key"))
        else:
            yield PathChange(ChangeKind.COMPUTED)

    def _named(self, key: Node | None) -> Iterator[PathChange]:
        """Yield the entry with this key; a module that replaces itself adds none."""
        if key is not None and key.type == "identifier":
            # Jinja2's ModuleLoader names its own modules so: https://github.com/pallets/jinja/blob/3.1.6/src/jinja2/loaders.py
            key = _only_value_of(key) or key
        name = _entry_name(key)
        if name == "*":
            yield PathChange(ChangeKind.COMPUTED)
        elif name:
            yield PathChange(ChangeKind.MODULE, name)

    # Folders

    def _folder(self, node: Node | None) -> str | None:
        """Return a folder relative to that of the module, or an absolute one; None if it is unknown."""
        path = self._path(node, 0)
        return None if path is None or path.endswith(_OWN_FILE) else path

    def _path(self, node: Node | None, depth: int) -> str | None:
        if node is None or depth > 20:
            return None
        node = unwrap(node)
        literal = string_of(node)
        if literal is not None:
            known = literal.startswith("/") or b"chdir" not in self._code
            return posixpath.normpath(posixpath.join(_TASK_ROOT, literal)) if known else None
        match node.type:
            case "identifier":
                return self._path_of_name(name_of(node), depth)
            case "attribute" if name_of(part_of(node, "attribute")) == "parent":
                return _parent(self._path(part_of(node, "object"), depth + 1))
            case "binary_operator" if code_of(part_of(node, "operator")) == b"/":
                return _join(self._path(part_of(node, "left"), depth + 1), parts_of(node)[1:])
            case "subscript":
                return self._path_of_item(node, depth)
            case "call":
                return self._path_of_call(node, depth)
        return None

    def _path_of_name(self, name: str, depth: int) -> str | None:
        if name == "__file__":
            return _OWN_FILE
        value = self._values.get(name)
        return self._path(value, depth + 1) if value is not None and _is_bound_once(name, self._code) else None

    def _path_of_item(self, node: Node, depth: int) -> str | None:
        value, index = part_of(node, "value"), code_of(part_of(node, "subscript"))
        if code_of(value) == b"__path__":
            return "." if index == b"0" else None
        if value is None or value.type != "attribute" or name_of(part_of(value, "attribute")) != "parents":
            return None
        path = self._path(part_of(value, "object"), depth + 1)
        for _ in range(int(index) + 1 if index.isdigit() and len(index) == 1 else 0):
            path = _parent(path)
        return path if index.isdigit() and len(index) == 1 else None

    def _path_of_call(self, node: Node, depth: int) -> str | None:
        function, arguments = part_of(node, "function"), arguments_of(node)
        name = self._names.origin_of(function) or ""
        if name == "os.getcwd":
            return _TASK_ROOT
        if name in ("os.path.join", "os.path.dirname") or name in _SAME_PATH:
            first = self._path(arguments[0], depth + 1) if arguments else None
            if name == "os.path.dirname":
                return _parent(first)
            return _join(first, arguments[1:])
        if function is not None and function.type == "attribute":
            method, owner = name_of(part_of(function, "attribute")), part_of(function, "object")
            if method in _SAME_PATH_METHODS:
                return self._path(owner, depth + 1)
            if method == "joinpath":
                return _join(self._path(owner, depth + 1), arguments)
        return None

    # Finders that Python doesn't call any more

    def _is_never_called(self, node: Node) -> bool:
        """Return whether a node is in the class of an importer that this Python never calls."""
        if self._python < _WITHOUT_FIND_MODULE:
            return False
        parent = node.parent
        while parent is not None:
            if parent.type == "class_definition" and _lacks_find_spec(parent):
                return True
            parent = parent.parent
        return False

    def _is_old_importer(self, node: Node) -> bool:
        """Return whether a finder is an object of a class of this module, which this Python never calls."""
        node = unwrap(node)
        if self._python < _WITHOUT_FIND_MODULE:
            return False
        if node.type == "identifier" and (value := self._values.get(name_of(node))) is not None:
            node = unwrap(value) if _is_bound_once(name_of(node), self._code) else node
        name = dotted_name_of(part_of(node, "function")) if node.type == "call" else None
        root = node
        while root.parent is not None:
            root = root.parent
        classes = [
            part
            for part in parts_of(root)
            if part.type == "class_definition" and name_of(part_of(part, "name")) == name
        ]
        return len(classes) == 1 and _lacks_find_spec(classes[0])


def _is_bound_once(name: str, code: bytes) -> bool:
    """Return whether nothing else in a source seems to bind a name, such as a parameter of a function."""
    word = re.escape(name).encode()
    binders = rb"(?<![\w.])%b\s*(?::[^=\n]*)?[+/]?=(?!=)|\bfor\b[^:\n]*\b%b\b[^:\n]*\bin\b|\bas\s+%b\b|%b\s*:="
    functions = rb"\bdef\s+\w+\s*\([^:]*\b%b\b|\blambda\b[^:\n]*\b%b\b|\b(?:global|nonlocal)\b[^\n]*\b%b\b"
    return (
        len(re.findall(binders.replace(b"%b", word), code)) == 1
        and re.search(functions.replace(b"%b", word), code) is None
    )


def _only_value_of(name: Node) -> Node | None:
    """Return the value of a name in a function, if that has one assignment of it and nothing else that binds it."""
    function = name.parent
    while function is not None and function.type != "function_definition":
        function = function.parent
    word = name_of(name)
    if function is None or not _is_bound_once(word, code_of(function)):
        return None
    if word.encode() in re.findall(rb"\w+", code_of(part_of(function, "parameters"))):
        return None
    stack = [function]
    while stack:
        node = stack.pop()
        if node.type == "assignment" and name_of(part_of(node, "left")) == word:
            return part_of(node, "right")
        stack += parts_of(node)
    return None


def _lacks_find_spec(definition: Node) -> bool:
    """Return whether a class certainly is an importer by `find_module` alone, as six's is before 1.16."""
    bases = [code_of(base) for base in parts_of(part_of(definition, "superclasses"))]
    code = code_of(part_of(definition, "body"))
    return bases in ([], [b"object"]) and b"def find_module" in code and b"find_spec" not in code


def _entry_name(key: Node | None) -> str:
    """Return a module's name, with a dot in front if it is below the module's own, and `*` at the end for the unknown.

    The module's own name is "".
    """
    beginning = _beginning_of(key)
    name = beginning.removeprefix(_OWN_NAME)
    of_own = name != beginning
    return "*" if _OWN_NAME in name or (of_own and name[:1] not in ("", ".")) else name


def _beginning_of(key: Node | None) -> str:
    key = unwrap(key) if key is not None else None
    literal = string_of(key)
    if key is None or literal is not None:
        return literal or "*"
    if code_of(key) == b"__name__":
        return _OWN_NAME
    parts: list[str] = []
    if key.type == "binary_operator" and sign_of(key) == b"+":
        parts = [_beginning_of(part_of(key, side)) for side in ("left", "right")]
    elif key.type == "binary_operator" and sign_of(key) == b"%":
        parts = [(string_of(part_of(key, "left")) or "").partition("%")[0], "*"]
    elif key.type == "string":
        parts = [_part_of_format(part) for part in parts_of(key)]
    known, star, _ = "".join(parts or ["*"]).partition("*")
    return known + star


def _part_of_format(part: Node) -> str:
    if part.type == "string_content":
        return code_of(part).decode(errors="replace")
    return _OWN_NAME if code_of(part) == b"{__name__}" else "" if not part.is_named or "string" in part.type else "*"


def _parent(path: str | None) -> str | None:
    return posixpath.normpath(posixpath.join(path, "..")) if path is not None else None


def _join(path: str | None, parts: list[Node]) -> str | None:
    for part in parts:
        literal = ".." if code_of(part) in (b"os.pardir", b"os.path.pardir") else string_of(part)
        if path is None or literal is None:
            return None
        path = posixpath.normpath(posixpath.join(path, literal))
    return path
