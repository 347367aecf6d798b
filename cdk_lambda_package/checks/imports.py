"""Modules and names that are imported and aren't there.

Certain is what runs whenever the handler's module is imported, uncaught, in a package that nothing else can add to.
All else is a warning, and only for the app's own code: what vendor/ imports in functions is mostly optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cdk_lambda_package.checks.contents import OWN, PackageContents
from cdk_lambda_package.checks.import_circles import check_circles
from cdk_lambda_package.checks.import_doubts import (
    find_doubt,
    is_given,
    may_be_made,
    may_come_about,
    searches_elsewhere,
)
from cdk_lambda_package.checks.import_graph import ImportGraph, trace_imports
from cdk_lambda_package.checks.import_resolution import Lack, Reason
from cdk_lambda_package.checks.import_steps import Runs, Step
from cdk_lambda_package.errors import Finding, Severity
from cdk_lambda_package.modules.distribution_names import find_distribution
from cdk_lambda_package.modules.standard_library import find_removal
from cdk_lambda_package.modules.standard_names import find_absence

_SHOWN_PLACES = 3


class _Case(NamedTuple):
    """A statement that asks for something in vain, and how sure that is."""

    path: str
    step: Step
    lack: Lack
    certain: bool
    doubt: str | None = None


def check_imports(contents: PackageContents) -> Iterator[Finding]:
    """Yield one finding for each module or name that isn't there, at the first place that imports it."""
    graph = trace_imports(contents)
    found: dict[tuple[str, object], list[_Case]] = {}
    for case in _list_cases(contents, graph):
        rule = _judge(case, contents, graph)
        if rule:
            # Two distributions may be missing behind one name, such as google.
            about = (case.lack.module, case.lack.name, find_distribution(case.lack.wanted))
            found.setdefault((rule, about), []).append(case)
    for (rule, _), cases in found.items():
        yield _describe(rule, cases, contents, graph)
    yield from check_circles(contents, graph)


def _list_cases(contents: PackageContents, graph: ImportGraph) -> Iterator[_Case]:
    exposed = ((path, step) for path in graph.steps if path in graph.exposed_perhaps for step in graph.steps[path])
    for path, step in exposed:
        certain = path in graph.exposed and step.runs is Runs.ALWAYS
        if not step.statement.guarded and (certain or contents.is_app(path)):
            yield from (
                _Case(path, step, lack, certain, find_doubt(lack, path, contents, graph)) for lack in step.lacks
            )


def _judge(case: _Case, contents: PackageContents, graph: ImportGraph) -> str | None:
    """Return the id of what a case is; None for what is as it should be, or said by another check."""
    lack = case.lack
    if lack.reason is Reason.UNCERTAIN:
        return "import-uncertain" if contents.is_app(case.path) else None
    if lack.reason is Reason.NO_MODULE:
        if searches_elsewhere(graph) and graph.modules.find_elsewhere(lack.module):
            return None
        if graph.modules.find_unusable(lack.module):
            return None  # a matter of `check_binaries`
        if may_come_about(lack.module, contents, graph):
            return None
        if _is_foreign(lack.module, contents, graph):
            return "import-uncertain" if contents.is_app(case.path) else None
    if lack.name is not None and (is_given(lack, contents, graph) or may_be_made(lack, contents, graph)):
        return None
    if case.doubt or not case.certain:
        return "import-uncertain"
    if lack.name is not None:
        return "name-not-found"
    removal = find_removal(lack.module, contents.target.runtime.version)
    return "removed-from-standard-library" if removal else "import-not-found"


def _is_foreign(module: str, contents: PackageContents, graph: ImportGraph) -> bool:
    """Tell whether a module would lie in a distribution's package, of which only its author knows what it does."""
    found = graph.modules.find(module.rpartition(".")[0]) if "." in module else None
    if found is None or found.path is None:
        return False
    entry = contents.entries.get(found.path)
    if entry is not None and entry.owner in OWN:
        return False
    # That a slim chalice isn't whole was our own decision.
    slim = any(decision.decision == "chalice-runtime-only" for decision in contents.decisions)
    return not (slim and module.startswith("chalice."))


def _describe(rule: str, cases: list[_Case], contents: PackageContents, graph: ImportGraph) -> Finding:
    # Imported here: a sound package needs none of it.
    from cdk_lambda_package.checks.import_hints import suggest_fix

    first = cases[0]
    fix = suggest_fix(first.lack, first.path, contents, graph.modules)
    sentences = (_state(first, contents), _list_others(cases, contents), first.doubt, fix)
    return Finding(
        id=rule,
        severity=Severity.WARNING if rule == "import-uncertain" else Severity.ERROR,
        message=" ".join(sentence for sentence in sentences if sentence),
        path=contents.place(first.path),
        line=first.step.statement.line,
        subject=".".join(filter(None, (first.lack.module, first.lack.name))),
    )


def _state(case: _Case, contents: PackageContents) -> str:
    lack, runtime = case.lack, contents.target.runtime
    if lack.reason is Reason.NO_PARENT:
        return f"{lack.module!r} is imported relative to a package that isn't there."
    if lack.name is not None:
        return f"{lack.name!r} is imported from {lack.module}{_tell_when(case, ', ')}, {_tell_why(lack, contents)}."
    removal = find_removal(lack.module, runtime.version)
    if removal:
        since = "{}.{}".format(*removal.since)
        return (
            f"{lack.module!r} isn't in the standard library since Python {since} ({removal.source}), and nowhere else."
        )
    if lack.reason is Reason.UNCERTAIN:
        return f"{lack.module!r} isn't in the package, and {runtime.name} on Lambda may have it or not."
    when = _tell_when(case, " ")
    return f"{lack.module!r} is imported{when}, and neither the package nor {runtime.name} on Lambda has it."


def _tell_why(lack: Lack, contents: PackageContents) -> str:
    absence = find_absence(lack.module, lack.name or "", contents.target.runtime.version)
    if absence is None:
        return "which has no such name"
    if absence.comes_with is not None:
        return "which has it since Python {}.{} only".format(*absence.comes_with)
    return "which doesn't have it since Python {}.{}".format(*absence.since or ())


def _tell_when(case: _Case, separator: str) -> str:
    if case.certain:
        return ""
    return f"{separator}{'by a call' if case.step.statement.by_name else 'in a function or under a condition'}"


def _list_others(cases: list[_Case], contents: PackageContents) -> str | None:
    places = list(dict.fromkeys(f"{contents.place(case.path)}:{case.step.statement.line}" for case in cases))[1:]
    if not places:
        return None
    more = f" and {len(places) - _SHOWN_PLACES} more" if len(places) > _SHOWN_PLACES else ""
    return f"It is imported in {', '.join(places[:_SHOWN_PLACES])}{more} too."
