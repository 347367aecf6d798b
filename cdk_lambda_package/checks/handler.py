"""The function that Lambda calls: which one it is, is it there, and can it be called with an event and a context?

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cdk_lambda_package.chalice import CHALICE
from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_fixes import fix_for_module
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.handlers import (
    ANY_HANDLER,
    USUAL_NAMES,
    WRAPPER_VARIABLE,
    describe_absence,
    list_functions,
    module_name,
    module_of,
    modules_started,
)
from cdk_lambda_package.import_analysis import Binding, ImportAnalysis, ImportStatement, ModuleOrigin, NameKind
from cdk_lambda_package.splicing import OWN, VENDOR

# Chalice's own packager writes `app.app` for a REST API (chalice/deploy/appgraph.py); both names are fixed.
_CHALICE_MODULE, _CHALICE_APP = "app.py", "app"
# What a Chalice app is made with: two classes of the package, and the module that has them.
_OF_AN_APP = frozenset({"Chalice", "Blueprint", "app", "*"})

_REASONS: Mapping[NameKind, str] = {
    NameKind.COROUTINE: "is a coroutine function: Lambda calls it and doesn't await it, so nothing in it runs. Define it with "
    "`def`, and call `asyncio.run(…)` in it",
    NameKind.MISFIT: "can't be called with two positional arguments, and Lambda passes the event and the context. Define "
    "it as `def {name}(event, context)`",
    NameKind.MODULE: "is a module, which can't be called. Import the function from it",
    NameKind.VIEW: "is a view function, which Chalice calls with the parameters of a request. Name the Chalice app itself",
    NameKind.VALUE: "is a value, which can't be called. Name the function itself",
}
_SCRIPTS = (".sh", ".bash")
_MOST_UNPACKAGED = 5
# Modules and folders that no function needs.
_OF_DEVELOPMENT = frozenset({"conftest.py", "docs", "noxfile.py", "scripts", "setup.py", "tasks.py", "test", "tests"})
_FUNCTIONS = frozenset({NameKind.FUNCTION, NameKind.DECORATED, NameKind.CHALICE})


def find_candidates(imports: ImportAnalysis, index: str) -> tuple[str, ...]:
    """Return the names in the module `index` that may be the handler if none is given.

    It is `app` of app.py in an app that imports chalice. Otherwise these are the names of Chalice apps, the usual names, and
    `app` if chalice is only a requirement: then another module may make the Chalice app, or chalice isn't used here. Of several,
    those that Lambda can't call are none.

    Example:
        `find_candidates(imports, "app.py")` is `("handler",)` for `def handler(event, context): ...`.
    """
    facts, (names, complete) = imports.facts(index), imports.names(index)
    apps = (one.name for one in facts.bindings if imports.kind_of(index, one) is NameKind.CHALICE)
    named = (*apps, *(name for name in USUAL_NAMES if name in names))
    callable_ = tuple(name for name in named if _may_be_called(imports, index, name))
    named = callable_ or named
    if index != _CHALICE_MODULE:
        return tuple(dict.fromkeys(named))
    bound = _CHALICE_APP in names and _may_be_called(imports, index, _CHALICE_APP)
    if _imports_chalice(imports, index) and (bound or not (named or complete)):
        return (_CHALICE_APP,)
    found = imports.finder.find(CHALICE) if bound else None
    required = found is not None and found.origin is ModuleOrigin.FILES
    return tuple(dict.fromkeys((_CHALICE_APP, *named) if required else named))


def _may_be_called(imports: ImportAnalysis, index: str, name: str) -> bool:
    binding = imports.facts(index).binding(name)
    return binding is None or imports.kind_of(index, binding) not in _REASONS


def _imports_chalice(imports: ImportAnalysis, index: str) -> bool:
    """Return whether the module `index`, or one of the user's that it runs, imports what a Chalice app is made with."""
    return any(map(_makes_app, imports.reach(index).watched))


def _makes_app(statement: ImportStatement) -> bool:
    """Return whether an app can be made with what a statement imports from chalice; `from chalice import Response` is used elsewhere too."""
    return not statement.names or not _OF_AN_APP.isdisjoint(statement.names)


def check(contents: PackageContents) -> Iterator[Finding]:
    """Yield what is wrong with the handler, as far as the source says."""
    for handler in contents.handlers_outside:
        yield from _judge_outside(contents, handler)
    if contents.handler != ANY_HANDLER:
        found = tuple(_judge_own(contents, contents.index, contents.handler))
        yield from () if found and contents.index in contents.syntax_faults else found


def _judge_own(contents: PackageContents, index: str, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the handler in the app's own module, if that can be compiled."""
    if name is None:
        # A warning, since a package may be built without naming its handler. A function needs one: `cdk/recorder.py` makes it
        # an error at synthesis.
        message = describe_candidates(contents.imports, index)
        yield Finding(id="handler-unknown", severity=Severity.WARNING, message=message, path=index)
        return
    yield from _judge(contents, index, name)


def describe_candidates(imports: ImportAnalysis, index: str) -> str:
    """Return why the handler in the module `index` is unknown, and what to do."""
    candidates = find_candidates(imports, index)
    if candidates:
        return f"{index} has several handlers, {' and '.join(candidates)}. Set handler= to the one to call."
    if not imports.names(index).complete:
        return f"The handler in {index} can't be determined without running it. Set handler= to the name of the function to call."
    return (
        f"{index} has no handler: it binds none of {', '.join(USUAL_NAMES)} and no Chalice app; "
        f"{list_functions(_functions(imports, index))}. "
        "Set handler= to the name of the function to call, or index= to another module."
    )


def _functions(imports: ImportAnalysis, index: str) -> tuple[str, ...]:
    """Return the functions that the module `index` defines and Lambda could call."""
    return tuple(binding.name for binding in imports.facts(index).bindings if binding.kind in _FUNCTIONS)


def _judge(contents: PackageContents, path: str, name: str) -> Iterator[Finding]:
    """Yield what is wrong with a name of the module at `path`."""
    binding = contents.imports.facts(path).binding(name)
    if binding is not None:
        yield from _judge_binding(contents, path, binding)
        return
    names = contents.imports.names(path)
    if name in names.names:
        return
    module = f"{module_name(path)}.{name}"
    found = contents.imports.finder.find(module)
    if found is not None and found.path is not None and path.endswith("/__init__.py"):
        likely = f"{module}.{_likely_name(contents, found.path) if found.path in contents.entries else USUAL_NAMES[0]}"
        text = f"handler {name!r} of {path} is the module {module}, which can't be called. Name the function in it, such as {likely!r}."
        # Unless the package binds its name to something else in a way that can't be read.
        yield _missing(text, contents.place(path)) if names.complete else _uncertain(text, contents.place(path))
    elif names.complete:
        message = describe_absence(name, names.names, _functions(contents.imports, path), path)
        yield _missing(message, contents.place(path))


def _judge_binding(contents: PackageContents, path: str, binding: Binding) -> Iterator[Finding]:
    reason = _REASONS.get(contents.imports.kind_of(path, binding))
    if reason is not None:
        yield Finding(
            id="handler-not-callable",
            severity=Severity.ERROR,
            message=f"handler {binding.name!r} {reason.format(name=binding.name)}.",
            path=contents.place(path),
            line=binding.line,
        )


# Handlers that aren't in the app's own module


def _judge_outside(contents: PackageContents, handler: str) -> Iterator[Finding]:
    """Yield what is wrong with a handler in full, which any part of the package or a layer may have."""
    module = module_of(handler)
    if handler in contents.scripts:
        yield from _judge_script(contents, handler)
        return
    found = contents.imports.finder.find(module) if module else None
    if found is None:
        yield _lost(contents, handler, module)
    elif found.is_namespace:
        yield _missing(
            f"handler {handler!r}: {module} is a folder without a module of that name. Name the module in it."
        )
    elif (path := found.path or "") in contents.entries and path.endswith(".py"):
        wrong = tuple(_judge(contents, path, handler.rpartition(".")[2]))
        yield from () if wrong and path in contents.syntax_faults else wrong
    if found is None or (contents.owner(found.path) not in {VENDOR, *contents.built} and not found.is_namespace):
        yield from _judge_loneliness(contents, handler)


def _judge_loneliness(contents: PackageContents, handler: str) -> Iterator[Finding]:
    """Yield a warning if a handler that others made is packaged without any code of the user's, although there is some."""
    # Of the top level; what lies deeper is named by its folder.
    names = ((path, path.removesuffix("/")) for path in contents.unpackaged)
    left = [path for path, name in names if name not in _OF_DEVELOPMENT and "/" not in name]
    if handler not in contents.scripts:
        # A folder may have the source of a requirement.
        left = [path for path in left if not path.endswith("/")]
    own = [path for path in contents.entries if path != handler and contents.owner(path) in OWN]
    if left and not own:
        named = ", ".join(left[:_MOST_UNPACKAGED])
        yield _uncertain(
            f"handler {handler!r} is packaged without any code of the entry directory, which has {named}. If it needs that, set "
            "index= to its module, or packaging=Packaging(include=[…]).",
            subject=handler,
        )


def _judge_script(contents: PackageContents, handler: str) -> Iterator[Finding]:
    """Yield what is wrong with a script of the package that a program of a layer starts by its first line."""
    first, executable = contents.scripts[handler].partition("\n")[0], contents.entries[handler].executable
    if not contents.is_wrapped and handler.endswith(".py"):
        yield _missing(
            f"handler {handler!r} is a file's name, and Lambda calls a function. Name that too, such as "
            f"{f'{module_name(handler)}.{_likely_name(contents, handler)}'!r}.",
            handler,
        )
    elif not executable:
        why = (
            "it begins with a byte order mark"
            if first.startswith("\ufeff")
            else "its first line doesn't name a program"
        )
        yield _missing(
            f"handler {handler!r} can't be started: {why}. Let it begin with a line such as `#!/bin/bash`.", handler
        )
    elif first.endswith("\r"):
        yield _missing(
            f"handler {handler!r} can't be started: its lines end with CRLF, so Linux looks for the program "
            f"{first.removeprefix('#!').strip(' ')!r}. Save it with LF, as `sed -i 's/\\r$//' {handler}` does, "
            "and keep git from changing that by .gitattributes.",
            handler,
        )
    elif not contents.is_wrapped:
        yield _uncertain(
            f"handler {handler!r} is a script, and Lambda's runtime calls Python functions only. If a program of a layer "
            f"starts it, set environment={{{WRAPPER_VARIABLE!r}: …}}, such as to '/opt/bootstrap' of the Lambda Web Adapter.",
            handler,
        )
    yield from _judge_started(contents, handler)


def _likely_name(contents: PackageContents, path: str) -> str:
    candidates = find_candidates(contents.imports, path)
    return candidates[0] if len(candidates) == 1 else USUAL_NAMES[0]


def _judge_started(contents: PackageContents, handler: str) -> Iterator[Finding]:
    """Yield which modules of the entry directory a script starts that aren't packaged."""
    started = [
        module for module in modules_started(contents.scripts[handler]) if not contents.imports.finder.find(module)
    ]
    for module in started:
        top, path = module.partition(".")[0], f"{module.replace('.', '/')}.py"
        if not {path, f"{top}.py", f"{top}/"}.isdisjoint(contents.unpackaged):
            fix = f"index={path!r}" if not contents.index else f"packaging=Packaging(include=[{_pattern(path)!r}])"
            yield _missing(
                f"handler {handler!r} starts the module {module!r}, which isn't packaged: set {fix}.", handler
            )
            return
    yield from _judge_loneliness(contents, handler)


def _pattern(path: str) -> str:
    """Return the pattern for `include` that selects a module: a folder as a whole."""
    top, slash, _ = path.partition("/")
    return f"{top}/**" if slash else path


def _lost(contents: PackageContents, handler: str, module: str) -> Finding:
    """Return the finding about a handler whose module is nowhere: an error, unless it may be in a place that can't be read."""
    doubt = next(contents.unseen_places(), None)
    if handler.endswith(_SCRIPTS):
        return _missing(
            f"handler {handler!r}: the package has no such file. If the entry directory has it, set "
            f"packaging=Packaging(include=[{handler!r}]); else create it, or correct the path.",
            subject=handler,
        )
    if not module:
        return _missing(
            f"handler {handler!r} names no module. Lambda needs one, such as 'app.{handler.rpartition('/')[2]}'."
        )
    if doubt is None:
        places = "neither the package nor its layers have" if contents.layers else "the package doesn't have"
        fix = fix_for_module(module, contents)
        return _missing(f"handler {handler!r}: {places} the module {module!r}. {fix}", subject=handler)
    message = f"handler {handler!r}: the package doesn't have the module {module!r}. {doubt}"
    return _uncertain(message, subject=handler)


def _uncertain(message: str, path: str | None = None, subject: str | None = None) -> Finding:
    return Finding(id="handler-uncertain", severity=Severity.WARNING, message=message, path=path, subject=subject)


def _missing(message: str, path: str | None = None, subject: str | None = None) -> Finding:
    return Finding(id="handler-not-found", severity=Severity.ERROR, message=message, path=path, subject=subject)
