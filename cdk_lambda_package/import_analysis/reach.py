"""What importing a module leads to, as checks ask for it, and the memory of its larger part.

An edit changes the user's own modules, and almost all of what they lead to is in others: vendor/, requirements and layers.
What happens there follows from the files there and from the steps that lead there, the crossings. Both are remembered with
the outcome, so that after an edit only the user's own modules are followed. Other crossings than before make a whole trace.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cdk_lambda_package.import_analysis.facts import ImportStatement, ModuleFacts, OpenedLibrary, TextFault
from cdk_lambda_package.import_analysis.graph import Crossing, ImportGraph, OwnUse, Past, Resolved, Runs, Step
from cdk_lambda_package.store import remembered


class Reach(NamedTuple):
    """The modules that importing a module leads to, by their paths, and what they do to the import.

    It is what `ImportGraph` says, without the steps of modules that aren't the user's own: after an edit, these are remembered.

    Attributes:
        certain: The modules that run whenever the first one is imported.
        perhaps: Other modules that may run while it is imported, by a call or under a condition.
        later: All others that may run, such as those that are imported in functions.
        exposed: Those of `certain` whose failure nothing catches.
        exposed_perhaps: Those of all whose failure nothing catches, if they run.
        changers: The modules that change where Python finds modules, the user's own first.
        given: Names that modules assign to others, as `ModuleFacts.given` has them, and `lib.orders.*` for a module by its full
            name that other code may give any name.
        lacking: The steps that nothing catches and that lack something, with the paths of their modules, the user's own first.
            Of other modules, those that certainly run. In the order of their execution.
        own_steps: The steps of the user's own modules.
        watched: The statements of all modules that import one of those that the analysis was told to watch.
        loads: The paths of the extension modules that may be loaded.
        exposed_loads: Those that are certainly loaded, and whose failure nothing catches.
        opened: The shared libraries that modules open by their names, by the modules' paths: of modules that may run at the
            start, and in functions of the user's own, if nothing catches their failure.

    Example:
        `analysis.reach("app.py").certain` has `"app.py"`, and every module that it certainly imports.
    """

    certain: frozenset[str]
    perhaps: frozenset[str]
    later: frozenset[str]
    exposed: frozenset[str]
    exposed_perhaps: frozenset[str]
    changers: tuple[str, ...]
    given: frozenset[str]
    lacking: tuple[tuple[str, Step], ...]
    own_steps: Mapping[str, tuple[Step, ...]]
    watched: tuple[ImportStatement, ...]
    loads: frozenset[str]
    exposed_loads: frozenset[str]
    opened: tuple[tuple[str, tuple[OpenedLibrary, ...]], ...]

    @property
    def all(self) -> frozenset[str]:
        """All modules that may run."""
        return self.certain | self.perhaps | self.later


class _In(enum.IntFlag):
    """The sets that a module is in."""

    CERTAIN = 1
    PERHAPS = 2
    EXPOSED = 4
    EXPOSED_PERHAPS = 8


@remembered("reaches", version=8)
@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignPart:
    """The part of a reach that isn't the user's own, valid for these `crossings` and `uses`.

    `modules` are those that are reached, by path, with the sets that they are in; `resolved` what the statements of the user's
    own modules come to that lead there; `faults` the first faults of the sources, None if they aren't known. `read` are the digests of
    sources by path that were read and may change while the surroundings stay the same, as those of vendor/.
    """

    crossings: tuple[Crossing, ...]
    uses: dict[str, OwnUse]
    resolved: dict[str, Resolved]
    modules: dict[str, int]
    changers: tuple[str, ...]
    given: tuple[str, ...]
    lacking: tuple[tuple[str, Step], ...]
    watched: tuple[ImportStatement, ...]
    loads: tuple[str, ...]
    exposed_loads: tuple[str, ...]
    opened: tuple[tuple[str, tuple[OpenedLibrary, ...]], ...]
    faults: dict[str, TextFault] | None = field(default=None)
    read: dict[str, str] = field(default_factory=dict)

    @property
    def past(self) -> Past:
        """What the trace of the user's own modules needs to know."""
        return Past(self.crossings, self.uses)


class Side(NamedTuple):
    """The user's own side of a package: the paths of its modules, and the modules that are watched, by their top-level names.

    `facts` returns what the module at a path says, `callee` the module and name of a function that it knows by a full name, and
    `given_by` the names that it assigns to others.
    """

    own: frozenset[str]
    watching: frozenset[str]
    facts: Callable[[str], ModuleFacts]
    callee: Callable[[str, str], tuple[str, str] | None]
    given_by: Callable[[str], Iterable[str]]

    def given(self, paths: Iterable[str]) -> frozenset[str]:
        """Return the names that modules assign to others."""
        return frozenset(name for path in paths for name in self.given_by(path))

    def opened(self, graph: ImportGraph) -> tuple[tuple[str, tuple[OpenedLibrary, ...]], ...]:
        """Return the libraries that modules open, by the modules' paths, sorted; see `Reach.opened`."""
        found: list[tuple[str, tuple[OpenedLibrary, ...]]] = []
        for path in sorted(_unguarded(graph, self.own)):
            opened = (one for one in self.facts(path).opened if path in self.own or not one.deferred)
            found.append((path, tuple(one._replace(by="") for one in opened if self._is_opened(path, one))))
        return tuple(one for one in found if one[1])

    def _is_opened(self, path: str, library: OpenedLibrary) -> bool:
        """Return whether the function that gets the names of a library opens it."""
        target, function = (self.callee(path, library.by) if library.by else None) or ("", "")
        return not library.by or function in self.facts(target).openers

    def watched(self, graph: ImportGraph, *, foreign: bool = False) -> tuple[ImportStatement, ...]:
        """Return the statements that import a watched module: all, or those of modules that aren't the user's own."""
        chosen = (steps for path, steps in graph.steps.items() if not (foreign and path in self.own))
        statements = (step.statement for steps in chosen for step in steps if not step.statement.level)
        return tuple(one for one in statements if one.module.partition(".")[0] in self.watching)


def reach_of(graph: ImportGraph, side: Side) -> Reach:
    """Return what a graph says to checks."""
    own = side.own
    lacking = list(_lacking(graph, own))
    return Reach(
        certain=graph.certain,
        perhaps=graph.perhaps,
        later=graph.later,
        exposed=graph.exposed,
        exposed_perhaps=graph.exposed_perhaps,
        changers=tuple(sorted(graph.changers, key=lambda path: path not in own)),
        given=side.given(graph.steps),
        lacking=tuple(sorted(lacking, key=lambda one: one[0] not in own)),
        own_steps={path: steps for path, steps in graph.steps.items() if path in own},
        watched=side.watched(graph),
        loads=_loads(graph, graph.steps),
        exposed_loads=_exposed_loads(graph, graph.steps),
        opened=side.opened(graph),
    )


def _lacking(graph: ImportGraph, own: Collection[str]) -> Iterable[tuple[str, Step]]:
    for path, step in graph.in_order():
        counts = path in own or (path in graph.exposed and step.runs is Runs.ALWAYS)
        if step.lacks and counts and path in graph.exposed_perhaps and not step.statement.guarded:
            yield path, step


def _loads(graph: ImportGraph, paths: Iterable[str]) -> frozenset[str]:
    return frozenset(target for path in paths for step in graph.steps[path] for target in step.loads)


def _exposed_loads(graph: ImportGraph, paths: Iterable[str]) -> frozenset[str]:
    steps = (step for path in paths if path in graph.exposed for step in graph.steps[path] if step.is_exposed)
    return frozenset(target for step in steps for target in step.loads)


def _unguarded(graph: ImportGraph, own: Collection[str]) -> frozenset[str]:
    """Return the modules that may run at the start, or in functions of the user's own, where nothing catches their failure."""
    reached = dict.fromkeys(path for path in graph.starts if path)
    pending = list(reached)
    while pending:
        path = pending.pop()
        least = Runs.LATER if path in own else Runs.PERHAPS
        for step in graph.steps.get(path, ()):
            if step.runs >= least and not step.statement.guarded:
                new = [target for target in step.reaches if target not in reached]
                reached.update(dict.fromkeys(new))
                pending += new
    return frozenset(reached) & graph.steps.keys()


def foreign_part(graph: ImportGraph, side: Side, resolved: Mapping[str, Resolved]) -> ForeignPart:
    """Return what is remembered of a whole graph."""
    own = side.own
    foreign = [path for path in graph.steps if path not in own]
    return ForeignPart(
        crossings=graph.past.crossings,
        uses=dict(graph.past.uses),
        resolved=dict(resolved),
        modules={path: _sets_of(path, graph) for path in foreign},
        changers=tuple(path for path in graph.changers if path not in own),
        given=tuple(sorted(side.given(foreign))),
        lacking=tuple(one for one in _lacking(graph, own) if one[0] not in own),
        watched=side.watched(graph, foreign=True),
        loads=tuple(sorted(_loads(graph, foreign))),
        exposed_loads=tuple(sorted(_exposed_loads(graph, foreign))),
        opened=tuple(one for one in side.opened(graph) if one[0] not in own),
    )


def _sets_of(path: str, graph: ImportGraph) -> int:
    return (
        _In.CERTAIN * (path in graph.certain)
        + _In.PERHAPS * (path in graph.certain or path in graph.perhaps)
        + _In.EXPOSED * (path in graph.exposed)
        + _In.EXPOSED_PERHAPS * (path in graph.exposed_perhaps)
    )


def join(own_part: ImportGraph, foreign: ForeignPart, side: Side) -> Reach:
    """Return the reach of a graph that has the user's own modules only, with the remembered rest."""
    modules = foreign.modules

    def all_in(one: _In, own: frozenset[str]) -> frozenset[str]:
        bit = int(one)
        return own | {path for path, sets in modules.items() if sets & bit}

    certain = all_in(_In.CERTAIN, own_part.certain)
    perhaps = all_in(_In.PERHAPS, own_part.certain | own_part.perhaps)
    lacking = _lacking(own_part, own_part.steps)
    return Reach(
        certain=certain,
        perhaps=perhaps - certain,
        later=frozenset((*own_part.steps, *modules)) - perhaps,
        exposed=all_in(_In.EXPOSED, own_part.exposed),
        exposed_perhaps=all_in(_In.EXPOSED_PERHAPS, own_part.exposed_perhaps),
        changers=(*own_part.changers, *foreign.changers),
        given=side.given(own_part.steps).union(foreign.given),
        lacking=(*lacking, *foreign.lacking),
        own_steps=own_part.steps,
        watched=(*side.watched(own_part), *foreign.watched),
        loads=_loads(own_part, own_part.steps).union(foreign.loads),
        exposed_loads=_exposed_loads(own_part, own_part.steps).union(foreign.exposed_loads),
        opened=tuple(sorted((*side.opened(own_part), *foreign.opened))),
    )


def question_of(module: str, statement: ImportStatement) -> str:
    """Return all that the outcome of a statement depends on that leads to modules that aren't the user's own."""
    return f"{module}:{','.join(statement.names)}:{statement.read}"


def digest_of_lines(lines: Iterable[str]) -> str:
    """Return the sha256 (hex) of lines of text."""
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()
