"""The function that Lambda calls: is it there, and can it be called with an event and a context?

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_graph import trace_imports
from cdk_lambda_package.checks.own_modules import Names, OwnModules, find_absolute_name
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.modules.facts import Binding, ImportStatement, Kind
from cdk_lambda_package.modules.handler import ANY_HANDLER, describe_absence, describe_doubt

_REASONS: Mapping[Kind, str] = {
    Kind.COROUTINE: "is a coroutine function: Lambda calls it and doesn't await it, so nothing in it is run. Define it "
    "with `def`, and call `asyncio.run(…)` in it",
    Kind.MISFIT: "can't be called with two positional arguments, and Lambda gives it the event and the context. Define "
    "it as `def {name}(event, context)`",
    Kind.MISFIT_CLASS: "is a class that can't be called with two positional arguments, and Lambda calls it with the event and "
    "the context. Name a function, or an object of the class that has `__call__`",
    Kind.MODULE: "is a module, which can't be called. Import the function out of it",
    Kind.VALUE: "is a value, which can't be called. Name the function itself",
}


def check_handler(contents: PackageContents) -> Iterator[Finding]:
    """Yield what is wrong with the handler, as far as the source tells."""
    index, name = contents.index, contents.handler
    if name == ANY_HANDLER or any(fault.path == index for fault in contents.syntax_faults):
        return
    facts = contents.module_facts(index)
    if name is None:
        yield Finding(id="handler-unknown", severity=Severity.WARNING, message=describe_doubt(facts, index), path=index)
        return
    binding = next((binding for binding in facts.bindings if binding.name == name), None)
    if binding is not None:
        yield from _judge(contents, binding)
        return
    names = _read_names(contents)
    if names.complete and name not in names.names:
        message = describe_absence(name, names.names, index)
        yield Finding(id="handler-not-found", severity=Severity.ERROR, message=message, path=index)


def _read_names(contents: PackageContents) -> Names:
    """Return the names of the handler's module, those of its star imports too."""
    facts = contents.module_facts(contents.index)
    if facts.complete:
        return Names(frozenset(binding.name for binding in facts.bindings), complete=True)
    return OwnModules(contents, trace_imports(contents).modules).read_names(contents.index)


def _judge(contents: PackageContents, binding: Binding) -> Iterator[Finding]:
    reason = _REASONS.get(_find_kind(contents, binding))
    if reason is not None:
        yield Finding(
            id="handler-not-callable",
            severity=Severity.ERROR,
            message=f"handler {binding.name!r} {reason.format(name=binding.name)}.",
            path=contents.index,
            line=binding.line,
        )


def _find_kind(contents: PackageContents, binding: Binding) -> Kind:
    """Return what a name of the handler's module is in the end, followed through the user's own modules."""
    path, seen = contents.index, set()
    while binding.kind is Kind.IMPORTED:
        seen.add((path, binding.name))
        source = _find_source(contents, path, binding)
        if source is None or isinstance(source, Kind):
            return source or Kind.OTHER
        path, binding = source
        if (path, binding.name) in seen:
            return Kind.OTHER
    return binding.kind


def _find_source(contents: PackageContents, path: str, binding: Binding) -> tuple[str, Binding] | Kind | None:
    """Return where a name is bound that is imported, with the path of that module, or that it is a module itself."""
    imported = _find_statement(contents.module_facts(path).imports, binding)
    module = find_absolute_name(path, imported[0]) if imported is not None else None
    if imported is None or module is None:
        return None
    modules = trace_imports(contents).modules
    own, name = OwnModules(contents, modules), imported[1]
    source = own.find_path(modules.find(module))
    found = own.find_binding(source, name) if source is not None else None
    if source is not None and found is not None:
        return source, found
    return Kind.MODULE if own.find_path(modules.find(f"{module}.{name}")) is not None else None


def _find_statement(imports: Iterable[ImportStatement], binding: Binding) -> tuple[ImportStatement, str] | None:
    """Return the statement that binds a name, and the name that it imports; None where there may be several."""
    found = [(one, binding.name) for one in imports if one.certain and binding.name in one.names]
    # By another name: facts don't say which is which, so it must be the only one.
    found = found or [(one, one.names[0]) for one in imports if one.line == binding.line and len(one.names) == 1]
    return found[0] if len(found) == 1 else None
