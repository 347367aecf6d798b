"""Tells which imports in functions certainly run, since the module calls the function while it is imported.

Such as `bootstrap()` at the end of the loader of opencv-python
(https://github.com/opencv/opencv/blob/4.x/modules/python/package/cv2/__init__.py). Only what is beyond doubt counts: the call is a
statement of the module's own, the function is bound once, and nothing before the import may leave the function without an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from cdk_lambda_package.import_analysis.facts import ImportStatement, ModuleFacts
from cdk_lambda_package.import_analysis.source import code_of, line_of, name_of, part_of, parts_of

_LEAVING = re.compile(rb"\b(?:return|yield|await|exit|_exit|abort|quit)\b")
_DEFINITIONS = frozenset({"class_definition", "decorated_definition", "function_definition"})


def started_imports(facts: ModuleFacts, root: Node) -> tuple[ImportStatement, ...]:
    """Return a module's imports; those that a call at the top level certainly runs are `certain`."""
    imports = facts.imports
    if root.has_error or not any(_is_in_doubt(one) for one in imports):
        return imports
    lines = frozenset(line for function in _started_functions(facts, root) for line in _lines_run_by(function))
    return tuple(
        one._replace(certain=True, deferred=False) if one.line in lines and _is_in_doubt(one) else one
        for one in imports
    )


def _is_in_doubt(statement: ImportStatement) -> bool:
    return not (statement.certain or statement.guarded or statement.if_missing or statement.if_found or statement.read)


def _started_functions(facts: ModuleFacts, root: Node) -> Iterator[Node]:
    functions = {name_of(part_of(part, "name")): part for part in parts_of(root) if part.type == "function_definition"}
    for part in parts_of(root):
        name = _called_by(part) if part.type == "expression_statement" else None
        function = functions.get(name) if name is not None else None
        if name is None or function is None or function.start_byte > part.start_byte:
            continue
        binding = facts.binding(name)
        # Neither a coroutine, nor bound anew.
        if code_of(function).startswith(b"def ") and binding is not None and binding.first == binding.line:
            yield function


def _called_by(statement: Node) -> str | None:
    """Return the name of the function that a statement calls: `f()`, or `x = f()`."""
    (expression, *_) = parts_of(statement)
    value = part_of(expression, "right") if expression.type == "assignment" else expression
    function = part_of(value, "function") if value is not None and value.type == "call" else None
    return name_of(function) if function is not None and function.type == "identifier" else None


def _lines_run_by(function: Node) -> Iterator[int]:
    """Yield the lines of the imports that a function runs before it may end."""
    if re.search(rb"\byield\b", code_of(function)):
        return
    for statement in parts_of(part_of(function, "body")):
        if statement.type in ("import_statement", "import_from_statement"):
            yield line_of(statement)
        elif statement.type == "expression_statement":
            (expression, *_) = parts_of(statement)
            value = part_of(expression, "right") if expression.type == "assignment" else expression
            if (
                value is not None
                and value.type == "call"
                and code_of(part_of(value, "function")).endswith(b"import_module")
            ):
                yield line_of(value)
        if statement.type not in _DEFINITIONS and _LEAVING.search(code_of(statement)):
            return
