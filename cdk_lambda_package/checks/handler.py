"""The function that Lambda calls: is it there, and can it be called with an event and a context?

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_graph import trace_imports
from cdk_lambda_package.checks.own_modules import OwnModules, find_absolute_name
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handler import ANY_HANDLER, describe_absence, describe_doubt
from cdk_lambda_package.modules import Binding, ImportStatement, Kind

_REASONS: Mapping[Kind, str] = {
    Kind.COROUTINE: "is a coroutine function: Lambda calls it and doesn't await it, so nothing in it is run. Define it "
    "with `def`, and call `asyncio.run(…)` in it",
    Kind.MISFIT: "can't be called with two positional arguments, and Lambda gives it the event and the context. Define "
    "it as `def {name}(event, context)`",
    Kind.MODULE: "is a module, which can't be called. Import the function out of it",
    Kind.VALUE: "is a value, which can't be called. Name the function itself",
}


def check_handler(contents: PackageContents) -> Iterator[Finding]:
    """Yield what is wrong with the handler, as far as the source tells."""
    index, name = contents.index, contents.handler
    if name == ANY_HANDLER or any(fault.path == index for fault in contents.syntax_faults):
        return
    facts = contents.module_facts(index)
    binding = _find_binding(contents, index, name) if name is not None else None
    if name is None:
        yield Finding(id="handler-unknown", severity=Severity.WARNING, message=describe_doubt(facts, index), path=index)
    elif binding is not None:
        yield from _judge(contents, binding)
    elif facts.complete:
        message = describe_absence(name, (binding.name for binding in facts.bindings), index)
        yield Finding(id="handler-not-found", severity=Severity.ERROR, message=message, path=index)


def _find_binding(contents: PackageContents, path: str, name: str) -> Binding | None:
    return next((binding for binding in contents.module_facts(path).bindings if binding.name == name), None)


def _judge(contents: PackageContents, binding: Binding) -> Iterator[Finding]:
    reason = _REASONS.get(_find_kind(contents, contents.index, binding))
    if reason is not None:
        yield Finding(
            id="handler-not-callable",
            severity=Severity.ERROR,
            message=f"handler {binding.name!r} {reason.format(name=binding.name)}.",
            path=contents.index,
            line=binding.line,
        )


def _find_kind(contents: PackageContents, path: str, binding: Binding) -> Kind:
    """Return what a name is in the end, followed through the user's own modules."""
    seen = set()
    while binding.kind is Kind.IMPORTED and (path, binding.name) not in seen:
        seen.add((path, binding.name))
        source = _find_import(contents, path, binding)
        if source is None:
            return Kind.OTHER
        path, name = source
        if not name:
            return Kind.MODULE
        found = _find_binding(contents, path, name)
        if found is None:
            return Kind.OTHER
        binding = found
    return binding.kind


def _find_import(contents: PackageContents, path: str, binding: Binding) -> tuple[str, str] | None:
    """Return the path of the module that a name is imported from, and its name there; none for a module itself."""
    imported = _find_statement(contents.module_facts(path).imports, binding)
    module = find_absolute_name(path, imported[0]) if imported is not None else None
    if imported is None or module is None:
        return None
    name = imported[1]
    index = trace_imports(contents).modules
    own = OwnModules(contents, index)
    target = own.find_path(index.find(module))
    if target is not None and own.find_binding(target, name) is not None:
        return target, name
    submodule = own.find_path(index.find(f"{module}.{name}"))
    return (submodule, "") if submodule is not None else None


def _find_statement(imports: Iterable[ImportStatement], binding: Binding) -> tuple[ImportStatement, str] | None:
    """Return the statement that binds a name, and the name that it imports; None where there may be several."""
    found = [(one, binding.name) for one in imports if one.certain and binding.name in one.names]
    # By another name: facts don't say which is which, so it must be the only one.
    found = found or [(one, one.names[0]) for one in imports if one.line == binding.line and len(one.names) == 1]
    return found[0] if len(found) == 1 else None
