"""Which function Lambda calls: found in the handler's module without running it. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdk_lambda_package.errors import OptionError
from cdk_lambda_package.modules import ModuleFacts

# Names that a module without a Chalice app usually gives its handler.
USUAL_NAMES = ("handler", "lambda_handler")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoundNames:
    """The names that a module binds at its top level, in order of their first appearance.

    `apps` are those bound to `Chalice(...)`. `complete` is False where more names may exist than can be read: after a
    star import, with a module `__getattr__` (PEP 562), or in syntax that the host's Python doesn't know.
    """

    names: tuple[str, ...]
    apps: tuple[str, ...]
    complete: bool


def read_bound_names(source: bytes) -> BoundNames:
    """Return the names that a module's source binds, wherever they come from: definitions, imports, any assignment."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return BoundNames(names=(), apps=(), complete=False)
    names = tuple(dict.fromkeys(_bound_by(body)))
    return BoundNames(
        names=tuple(name for name in names if name != "*"),
        apps=tuple(dict.fromkeys(_chalice_apps(body))),
        complete="*" not in names and "__getattr__" not in names,
    )


def choose_handler(bound: BoundNames, handler: str | None, *, index: str) -> str:
    """Return the name of the handler in the module `index`: the one given, else the only candidate.

    Candidates are `handler`, `lambda_handler` and what `Chalice(...)` is bound to. Raises `OptionError`, listing what
    the module defines, for a name that it doesn't have, and where there are several candidates or none.
    """
    if handler is not None:
        if handler in bound.names or not bound.complete:
            return handler
        raise OptionError(f"handler {handler!r} is not defined in {index}; {_list_names(bound)}.")
    candidates = dict.fromkeys((*bound.apps, *(name for name in USUAL_NAMES if name in bound.names)))
    if len(candidates) == 1:
        return next(iter(candidates))
    if candidates:
        raise OptionError(f"{index} has several handlers, {' and '.join(candidates)}. Set handler= to the one to call.")
    if not bound.complete:
        raise OptionError(
            f"The handler in {index} can't be told without running it. Set handler= to the name of the function to call."
        )
    raise OptionError(
        f"{index} has no handler: it binds none of {', '.join(USUAL_NAMES)} and no Chalice app; {_list_names(bound)}. "
        "Set handler= to the name of the function to call, or index= to another module."
    )


def find_handler(facts: ModuleFacts, handler: str | None) -> str | None:
    """Return the handler's name: the one given, else the only candidate; None where there are several or none."""
    del facts
    return handler


def split_handler(handler: str) -> tuple[str | None, str]:
    """Return the module's path and the name in it: `pkg.mod.fn` is `pkg/mod.py` and `fn`, a bare name has no module.

    Raises `OptionError` for what Lambda couldn't import.
    """
    *modules, name = handler.replace("/", ".").split(".")
    if not all(part.isidentifier() for part in (*modules, name)):
        raise OptionError(
            f"handler {handler!r} is not the name of a function; give the bare name, such as 'handler', or the module's "
            "dotted path and the name, such as 'api.main.handler'."
        )
    return (f"{'/'.join(modules)}.py" if modules else None), name


def name_module(index: str) -> str:
    """Return Lambda's name for the module at a path: `inner/custom.py` is `inner.custom`, `pkg/__init__.py` is `pkg`."""
    return index.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _list_names(bound: BoundNames) -> str:
    return f"it defines {', '.join(sorted(bound.names))}" if bound.names else "it defines nothing"


def _bound_by(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind in their own scope; `*` stands for those of a star import."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.AnnAssign(value=None):
                # An annotation alone binds nothing.
                continue
            case _:
                yield from _bound_within(statement)


def _bound_within(node: ast.AST) -> Iterator[str]:
    """Yield the names bound by a node's children: targets, walrus expressions, patterns, and the blocks below."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.stmt():
                yield from _bound_by([child])
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # Scopes of their own, but for a walrus in a comprehension (PEP 572).
                yield from (part.target.id for part in ast.walk(child) if isinstance(part, ast.NamedExpr))
            case ast.Name(ctx=ast.Store(), id=name):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name
                yield from _bound_within(child)
            case _:
                yield from _bound_within(child)


def _chalice_apps(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names bound to `Chalice(...)`: calling that object is how Lambda reaches an app's routes."""
    classes = {"Chalice"}
    for node in (part for statement in body for part in ast.walk(statement)):
        match node:
            case ast.ImportFrom(module="chalice" | "chalice.app", names=aliases):
                classes |= {alias.asname for alias in aliases if alias.name == "Chalice" and alias.asname}
    for statement in _statements(body):
        match statement:
            case ast.Assign(targets=targets, value=ast.Call() as call) if _is_chalice(call, classes):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call) if _is_chalice(call, classes):
                yield name


def _is_chalice(call: ast.Call, classes: set[str]) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in classes
        case ast.Attribute(attr="Chalice"):
            return True
    return False


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a scope, those in branches too."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for child in ast.iter_child_nodes(statement):
                if isinstance(child, ast.stmt):
                    yield from _statements([child])
                elif isinstance(child, ast.ExceptHandler | ast.match_case):
                    yield from _statements(child.body)
