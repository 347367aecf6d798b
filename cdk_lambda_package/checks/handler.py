"""The function that Lambda calls: is it there, and can it be called with an event and a context?

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handlers import ANY_HANDLER, USUAL_NAMES, describe_absence, handler_candidates, list_names
from cdk_lambda_package.import_analysis import Binding, ModuleFacts, NameKind

_REASONS: Mapping[NameKind, str] = {
    NameKind.COROUTINE: "is a coroutine function: Lambda calls it and doesn't await it, so nothing in it runs. Define it with "
    "`def`, and call `asyncio.run(…)` in it",
    NameKind.MISFIT: "can't be called with two positional arguments, and Lambda passes the event and the context. Define "
    "it as `def {name}(event, context)`",
    NameKind.MODULE: "is a module, which can't be called. Import the function from it",
    NameKind.VALUE: "is a value, which can't be called. Name the function itself",
}


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield what is wrong with the handler, as far as the source says."""
    index, name = contents.index, contents.handler
    if name == ANY_HANDLER or index in contents.syntax_faults:
        return
    facts = contents.imports.facts(index)
    if name is None:
        # A warning, since a package may be built without naming its handler. A function needs one: `cdk/recorder.py` makes it
        # an error at synthesis.
        message = describe_candidates(facts, index)
        yield Finding(id="handler-unknown", severity=Severity.WARNING, message=message, path=index)
        return
    binding = facts.binding(name)
    if binding is not None:
        yield from _judge(contents, binding)
        return
    names = contents.imports.names(index)
    if names.complete and name not in names.names:
        message = describe_absence(name, names.names, index)
        yield Finding(id="handler-not-found", severity=Severity.ERROR, message=message, path=index)


def describe_candidates(facts: ModuleFacts, index: str) -> str:
    """Return why the handler in the module `index` is unknown, and what to do."""
    candidates = handler_candidates(facts.names, facts.chalice_apps)
    if candidates:
        return f"{index} has several handlers, {' and '.join(candidates)}. Set handler= to the one to call."
    if not facts.complete:
        return f"The handler in {index} can't be determined without running it. Set handler= to the name of the function to call."
    return (
        f"{index} has no handler: it binds none of {', '.join(USUAL_NAMES)} and no Chalice app; "
        f"{list_names(facts.names)}. "
        "Set handler= to the name of the function to call, or index= to another module."
    )


def _judge(contents: PackageContents, binding: Binding) -> Iterator[Finding]:
    reason = _REASONS.get(contents.imports.kind_of(contents.index, binding))
    if reason is not None:
        yield Finding(
            id="handler-not-callable",
            severity=Severity.ERROR,
            message=f"handler {binding.name!r} {reason.format(name=binding.name)}.",
            path=contents.index,
            line=binding.line,
        )
