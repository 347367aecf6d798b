"""Reads the statements of a module that have no others in them: imports, assignments and the like. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cdk_lambda_package.modules.dynamic_code import is_given_module_name
from cdk_lambda_package.modules.facts import Kind
from cdk_lambda_package.modules.record import Context, ModuleRecord, Scope
from cdk_lambda_package.modules.syntax_tree import (
    arguments_of,
    code_of,
    dotted_name_of,
    line_of,
    name_of,
    part_of,
    parts_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

# What is given `__name__` only to be shown doesn't fill the module with names.
_SHOWING = frozenset({"print", "log", "debug", "info", "warning", "warn", "error", "exception", "critical"})


def read_simple_statement(node: Node, context: Context, record: ModuleRecord) -> None:
    """Take down what a statement without others in it says; of one that isn't known, what its expressions do."""
    reader = _READERS.get(node.type)
    if reader is not None:
        reader(node, context, record)
    else:
        record.scan(node, context)


def _read_import(node: Node, context: Context, record: ModuleRecord) -> None:
    for item in node.children_by_field_name("name"):
        name, alias = _split_alias(item)
        module = dotted_name_of(name) or ""
        record.add_import(module, 0, (), line_of(node), context)
        first = parts_of(name)[0]
        # `import a.b` binds a, `import a.b as c` binds a.b.
        origin = module if alias else name_of(first)
        record.bind(alias or first, Kind.MODULE, context, origin=origin)


def _read_from_import(node: Node, context: Context, record: ModuleRecord) -> None:
    source = part_of(node, "module_name")
    if source is None:
        return
    module, level = _read_relative(source)
    items = [_split_alias(item) for item in node.children_by_field_name("name")]
    star = any(part.type == "wildcard_import" for part in parts_of(node))
    names = ("*",) if star else tuple(dotted_name_of(name) or "" for name, _ in items)
    record.add_import(module, level, names, line_of(node), context)
    for name, alias in items:
        origin = f"{'.' * level}{module}.{dotted_name_of(name)}"
        record.bind(alias or parts_of(name)[0], Kind.IMPORTED, context, origin=origin)


def _read_future(node: Node, context: Context, record: ModuleRecord) -> None:
    for item in node.children_by_field_name("name"):
        name, alias = _split_alias(item)
        record.bind(alias or parts_of(name)[0], Kind.IMPORTED, context)


def _read_expression(node: Node, context: Context, record: ModuleRecord) -> None:
    record.scan(node, context)
    (expression, *_) = parts_of(node) or [node]
    match expression.type:
        case "assignment":
            _read_assignment(expression, context, record)
        case "augmented_assignment":
            _read_augmented(expression, context, record)
        case "call":
            _read_call(expression, context, record)


def _read_assignment(node: Node, context: Context, record: ModuleRecord) -> None:
    targets, value = [part_of(node, "left")], part_of(node, "right")
    while value is not None and value.type == "assignment":
        targets.append(part_of(value, "left"))
        value = part_of(value, "right")
    # An annotation alone binds nothing.
    if value is not None:
        record.assign([target for target in targets if target is not None], value, context)


def _read_augmented(node: Node, context: Context, record: ModuleRecord) -> None:
    target, value = part_of(node, "left"), part_of(node, "right")
    if target is not None and code_of(target) == b"__all__" and context.scope is Scope.MODULE:
        record.extend_exports(value, context)
    elif target is not None:
        record.bind_target(target, Kind.OTHER, context)


def _read_call(node: Node, context: Context, record: ModuleRecord) -> None:
    function, arguments = part_of(node, "function"), arguments_of(node)
    name = dotted_name_of(function) if function is not None else None
    if name in ("__all__.append", "__all__.extend"):
        argument = arguments[0] if len(arguments) == 1 else None
        record.extend_exports(argument, context, one=name.endswith("append"))
    elif name is not None and name.startswith("__all__."):
        record.extend_exports(None, context)
    elif is_given_module_name(node) and (name or "").rpartition(".")[2] not in _SHOWING:
        # Nothing is done with the result, so the call is there for what it does to the module.
        record.note_unreadable()


def _read_delete(node: Node, context: Context, record: ModuleRecord) -> None:
    record.scan(node, context)
    for target in parts_of(node):
        record.delete(target, context)


def _read_exec(_node: Node, _context: Context, record: ModuleRecord) -> None:
    record.note_unreadable()


def _read_global(node: Node, context: Context, record: ModuleRecord) -> None:
    if context.scope is not Scope.MODULE:
        for name in parts_of(node):
            record.bind(name, Kind.OTHER, context._replace(scope=Scope.MODULE, straight=False))


def _read_type_alias(node: Node, context: Context, record: ModuleRecord) -> None:
    left = part_of(node, "left")
    while left is not None and left.type != "identifier":
        left = next(iter(parts_of(left)), None)
    if left is not None:
        record.bind(left, Kind.OTHER, context)


def _split_alias(item: Node) -> tuple[Node, Node | None]:
    """Return what is imported, and the name that it gets if that is another."""
    if item.type != "aliased_import":
        return item, None
    return part_of(item, "name") or item, part_of(item, "alias")


def _read_relative(source: Node) -> tuple[str, int]:
    """Return the module of a `from` and the number of dots before it."""
    if source.type != "relative_import":
        return dotted_name_of(source) or "", 0
    prefix, *rest = parts_of(source)
    return (dotted_name_of(rest[0]) or "" if rest else ""), code_of(prefix).count(b".")


_READERS: Mapping[str, Callable[[Node, Context, ModuleRecord], None]] = {
    "delete_statement": _read_delete,
    "exec_statement": _read_exec,
    "expression_statement": _read_expression,
    "future_import_statement": _read_future,
    "global_statement": _read_global,
    "import_from_statement": _read_from_import,
    "import_statement": _read_import,
    "type_alias_statement": _read_type_alias,
}
