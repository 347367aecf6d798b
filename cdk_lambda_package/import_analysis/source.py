"""Python source as text and as a syntax tree, by a parser that knows the syntax of all versions and tolerates errors.

The host's own parser knows one version only, and the same source must say the same on every host. The types of nodes are
those of the grammar of tree-sitter-python.
"""

from __future__ import annotations

import io
import re
import tokenize
import unicodedata
from collections.abc import Iterator

import tree_sitter_python
from tree_sitter import Language, Node, Parser

from cdk_lambda_package.errors import shorten

_PLACES = frozenset({"attribute", "subscript"})
_DOTTED = frozenset({"attribute", "dotted_name", "identifier"})
# These have attributes, but aren't names.
_CONSTANTS = ("False.", "None.", "True.")
# Scopes of their own, in which no name can follow an `as`.
_SCOPES = frozenset({"lambda", "list_comprehension", "set_comprehension", "dictionary_comprehension",
                     "generator_expression"})  # fmt: skip


_TRIPLE = b'"""'
# Before a triple quote on its line: a comment or another string, in which it means nothing, or an f-string with code in it.
_MAY_HIDE_QUOTES = re.compile(rb"[#'\"]|[fFtT][rR]?\Z")
_DOCSTRING_BEGINS = re.compile(rb"[ \t\f]*[rRuUbB]{0,2}")

# Bytes. It takes two seconds to read as many, and modules that people write have a tenth.
_LARGEST = 2_000_000


def is_too_large(source: bytes) -> bool:
    """Tell whether a source is so large that its imports aren't looked for: it is data, or meant to keep its reader busy."""
    return len(source) > _LARGEST


class UndecodableError(Exception):
    """Python can't decode the source; `line` counts from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def decode_source(source: bytes) -> str:
    """Return a module's text as Python decodes it (PEP 263, PEP 3120), with line feeds for all line ends.

    Raises `UndecodableError` for bytes that no version of Python can decode.
    """
    position = source.find(b"\0")
    if position >= 0:
        raise UndecodableError("source code cannot contain null bytes", _line_at(source, position))
    try:
        text = source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    except UnicodeDecodeError as error:
        raise UndecodableError(f"(unicode error) {error}", _line_at(error.object, error.start)) from None
    except (SyntaxError, LookupError, ValueError) as error:
        raise UndecodableError(shorten(str(error))) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _line_at(source: bytes, position: int) -> int:
    return source.count(b"\n", 0, position) + 1


def without_docstrings(code: bytes) -> bytes:
    """Return code in which strings in triple quotes at the beginning of a line are empty, with all line feeds.

    They are half of the bytes of a documented package, and show code that never runs. A string is found only where no other
    string or comment can begin before it; from the first doubt on, the code stays as it is.

    Example:
        ```python
        without_docstrings(Path("demo.py").read_bytes()).splitlines()  # [b"...", b"import yaml"]
        ```
    """
    pieces = code.split(_TRIPLE)
    for index in range(1, len(pieces) - 1, 2):
        before, content = pieces[index - 1], pieces[index]
        start = before.rfind(b"\n") + 1
        line = before[start:]
        doubtful = before.endswith(b"\\\n", 0, start) or b"'''" in before or _MAY_HIDE_QUOTES.search(line)
        if doubtful or content.endswith(b"\\"):
            break
        if _DOCSTRING_BEGINS.fullmatch(line):
            pieces[index] = b"\n" * content.count(b"\n")
    return _TRIPLE.join(pieces)


def parse(code: bytes) -> Node:
    """Return the root of the tree of a module's source in UTF-8 with line feeds."""
    return Parser(Language(tree_sitter_python.language())).parse(code).root_node


def parts_of(node: Node | None) -> list[Node]:
    """Return the children of a node without punctuation and comments."""
    # Comments and line continuations are what the grammar takes anywhere. Asking for that is faster than for their types.
    return [child for child in node.named_children if not child.is_extra] if node is not None else []


def part_of(node: Node, field: str) -> Node | None:
    """Return the child in a field of the grammar, if there is one."""
    return node.child_by_field_name(field)


def body_of(clause: Node | None) -> Node | None:
    """Return the block of an `except`, `else` or `finally` clause."""
    return next((part for part in reversed(parts_of(clause)) if part.type == "block"), None)


def code_of(node: Node | None) -> bytes:
    """Return the source of a node."""
    return node.text or b"" if node is not None else b""


def text_of(node: Node | None) -> str:
    """Return the source of a node as text."""
    return code_of(node).decode(errors="replace")


def sign_of(node: Node) -> bytes:
    """Return the operator of a binary or boolean expression."""
    return code_of(part_of(node, "operator"))


def operands_of(node: Node) -> list[Node]:
    """Return the operands of a chain of one boolean operator, in order; the grammar nests `a or b or c` to the left."""
    sign, operands = sign_of(node), []
    while node.type == "boolean_operator" and sign_of(node) == sign:
        node, *others = parts_of(node)
        operands += others
    return [node, *reversed(operands)]


def line_of(node: Node) -> int:
    """Return the line where a node begins, from 1."""
    return node.start_point[0] + 1


def name_of(node: Node | None) -> str:
    """Return an identifier as Python compares it (PEP 3131)."""
    code = code_of(node)
    return code.decode() if code.isascii() else unicodedata.normalize("NFKC", code.decode(errors="replace"))


def dotted_name_of(node: Node | None) -> str | None:
    """Return `a.b.c` for a name or attributes of one, None for anything else."""
    if node is None or node.type not in _DOTTED:
        return None
    text = text_of(node)
    if text.isascii() and text.replace(".", "").isidentifier() and not text.startswith(_CONSTANTS):
        # Almost all are written without spaces. Reading the parts takes ten times longer.
        return text
    names: list[str] = []
    while node is not None and node.type == "attribute":
        names.append(name_of(part_of(node, "attribute")))
        node = part_of(node, "object")
    if node is None or node.type not in ("dotted_name", "identifier"):
        return None
    names += map(name_of, reversed(parts_of(node) or [node]))
    return ".".join(reversed(names))


def split_relative(source: Node) -> tuple[str, int]:
    """Return the module of a `from`, and the number of dots before it."""
    if source.type != "relative_import":
        return dotted_name_of(source) or "", 0
    prefix, *rest = parts_of(source)
    return (dotted_name_of(rest[0]) or "" if rest else ""), code_of(prefix).count(b".")


def unwrap(node: Node) -> Node:
    """Return the expression inside of parentheses."""
    while node.type == "parenthesized_expression" and len(parts := parts_of(node)) == 1:
        node = parts[0]
    return node


def string_of(node: Node | None) -> str | None:
    """Return the value of a plain string literal; None for anything else, and for literals with escapes."""
    if node is None:
        return None
    node = unwrap(node)
    if node.type == "concatenated_string":
        values = [string_of(part) for part in parts_of(node)]
        return None if None in values else "".join(value for value in values if value is not None)
    if node.type != "string" or b"\\" in code_of(node):
        return None
    start, *content, _ = node.children if node.child_count > 1 else (node, node)
    if text_of(start).strip("'\"").lower() not in ("", "r", "u"):
        return None
    return "".join(map(text_of, content))


def strings_of(node: Node | None) -> list[str] | None:
    """Return the strings of a literal list or tuple, or of a sum of such; None for anything else."""
    if node is not None and node.type == "binary_operator":
        first, second = strings_of(part_of(node, "left")), strings_of(part_of(node, "right"))
        return None if first is None or second is None else first + second
    if node is None or node.type not in ("list", "tuple", "expression_list"):
        return None
    values = [string_of(part) for part in parts_of(node)]
    return None if None in values else [value for value in values if value is not None]


def arguments_of(call: Node) -> list[Node]:
    """Return the arguments of a call, with its keyword arguments."""
    arguments = part_of(call, "arguments")
    return parts_of(arguments) if arguments is not None and arguments.type == "argument_list" else []


def target_nodes(target: Node | None) -> Iterator[Node]:
    """Yield the names, attributes and items of the target of an assignment, in order."""
    stack = [target] if target is not None else []
    while stack:
        node = stack.pop()
        if node.type == "identifier" or node.type in _PLACES:
            yield node
        else:
            stack.extend(reversed(parts_of(node)))


def aliases_of(with_clause: Node) -> Iterator[Node]:
    """Yield the targets after each `as` of a `with` statement."""
    stack = [with_clause]
    while stack:
        node = stack.pop()
        if node.type == "as_pattern_target":
            yield from target_nodes(node)
        elif node.type not in _SCOPES:
            stack.extend(reversed(parts_of(node)))


def takes_arguments(parameters: Node | None, count: int) -> bool:
    """Return whether a function can be called with this many positional arguments."""
    required, positional, keyword_only = 0, 0, False
    for parameter in parts_of(parameters):
        match _form_of(parameter):
            case "list_splat_pattern":
                positional, keyword_only = count, True
            case "keyword_separator":
                keyword_only = True
            case "default_parameter" | "typed_default_parameter":
                positional += not keyword_only
            case "dictionary_splat_pattern" | "positional_separator":
                pass
            case _ if keyword_only:
                return False
            case _:
                required, positional = required + 1, positional + 1
    return required <= count <= positional


def _form_of(parameter: Node) -> str:
    if parameter.type == "typed_parameter" and parts_of(parameter)[0].type.endswith("splat_pattern"):
        return parts_of(parameter)[0].type
    return parameter.type


def refuses_arguments(class_definition: Node, count: int) -> bool:
    """Return whether a class certainly can't be called with this many positional arguments.

    Its one `__init__` must say so: a class with bases, a metaclass or a `__new__` is never certain.
    """
    body = part_of(class_definition, "body")
    code = code_of(body)
    if part_of(class_definition, "superclasses") or b"__new__" in code or code.count(b"__init__") != 1:
        return False
    inits = [part for part in parts_of(body) if name_of(part_of(part, "name")) == "__init__"]
    return any(not takes_arguments(part_of(init, "parameters"), count + 1) for init in inits)
