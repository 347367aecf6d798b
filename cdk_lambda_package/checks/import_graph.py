"""Which of the user's modules Lambda runs when it imports the handler's, and how each import in them ends. Pure.

Statements are followed in the order in which Python would execute them, so that a fallback counts only where what it
stands in for fails, also if it fails inside of another module of the user's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_resolution import Reason, Resolver
from cdk_lambda_package.checks.import_steps import Ends, Runs, Step
from cdk_lambda_package.checks.vendored_imports import (
    Entrance,
    OtherwiseError,
    Reached,
    VendoredImports,
    recall,
    remember,
)
from cdk_lambda_package.modules.facts import ImportStatement, ModuleFacts
from cdk_lambda_package.modules.index import ModuleIndex

# Python itself gives up on longer chains of imports; what lies behind is followed from the start again.
_DEEPEST_CHAIN = 150

# What counts for `certain`, for that and `perhaps`, for `exposed` and for `exposed_perhaps`.
_WAYS: tuple[Callable[[Step], bool], ...] = (
    lambda step: step.runs is Runs.ALWAYS,
    lambda _: True,
    lambda step: step.runs is Runs.ALWAYS and not step.statement.guarded,
    lambda step: not step.statement.guarded,
)


class ImportGraph(NamedTuple):
    """The user's modules that are imported from the handler's on, by their paths.

    Attributes:
        steps: The import statements of each module that was followed, in the order in which they are met; of those of
            vendor/ only what asks for something in vain.
        changers: Those of these modules that change where Python looks for modules, in the same order.
        certain: What is run whenever the handler's module is imported.
        perhaps: What else may be run, by a call or under a condition. It doesn't go on from modules of vendor/ that
            only may be reached.
        exposed: Those of `certain` whose failure nobody catches.
        exposed_perhaps: Those of both whose failure nobody catches, if they are run.
        modules: What `import` finds in the package and around it.
    """

    steps: Mapping[str, tuple[Step, ...]]
    changers: tuple[str, ...]
    certain: frozenset[str]
    perhaps: frozenset[str]
    exposed: frozenset[str]
    exposed_perhaps: frozenset[str]
    modules: ModuleIndex


def trace_imports(contents: PackageContents) -> ImportGraph:
    """Follow the imports of a package from the handler's module on; done once, then remembered in `contents`."""
    graph = contents.memo.get(_MEMO)
    if not isinstance(graph, ImportGraph):
        graph = contents.memo[_MEMO] = _trace(contents)
    return graph


_MEMO = "import_graph"


def _trace(contents: PackageContents) -> ImportGraph:
    index = ModuleIndex(contents.entries, target=contents.target, layers=contents.layers, provided=contents.provided)
    read: set[str] = set()

    def read_facts(path: str) -> ModuleFacts:
        read.add(path)
        return contents.module_facts(path)

    noting = dataclasses.replace(contents, module_facts=read_facts)
    resolver = Resolver(noting, index)
    try:
        return _Course(noting, resolver, recalling=contents.notes is not None).draw(index)
    except OtherwiseError:
        course = _Course(noting, resolver, recalling=False)
        graph = course.draw(index)
        remember(course.vendored, read, contents)
        return graph


def find_starts(contents: PackageContents) -> Iterable[str]:
    """Yield the paths of the packages around the handler's module, which Python imports first, and its own."""
    folders = contents.index.split("/")[:-1]
    for count in range(1, len(folders) + 1):
        path = "/".join([*folders[:count], "__init__.py"])
        if path in contents.entries:
            yield path
    yield contents.index


class _Course:
    """The state of following imports: each module once, whatever way leads to it."""

    def __init__(self, contents: PackageContents, resolver: Resolver, *, recalling: bool) -> None:
        """Begin; if `recalling`, what is known of vendor/ is taken as it is, and `OtherwiseError` raised where it isn't."""
        self.vendored = VendoredImports((), (), ())
        self._steps: dict[str, tuple[Step, ...]] = {}
        self._changers: list[str] = []
        self._contents = contents
        self._resolver = resolver
        self._recalling = recalling
        self._seen: set[str] = set()
        self._failing: set[str] = set()
        self._pending: list[str] = []
        self._depth = 0
        self._in_vendor = False
        self._entered: list[Entrance] = []

    def draw(self, index: ModuleIndex) -> ImportGraph:
        """Follow everything that may be run from the handler's module on."""
        starts = tuple(find_starts(self._contents))
        self._pending += starts
        while self._pending:
            self._fails(self._pending.pop(0))
        certain, all_reached, exposed, exposed_perhaps = self._reach(starts)
        steps = self._steps.items()
        return ImportGraph(
            steps={path: kept for path, found in steps if (kept := self._keep(path, found)) or self._is_app(path)},
            changers=tuple(self._changers),
            certain=certain,
            perhaps=all_reached - certain,
            exposed=exposed,
            exposed_perhaps=exposed_perhaps,
            modules=index,
        )

    def _is_app(self, path: str) -> bool:
        return self._contents.is_app(path)

    def _keep(self, path: str, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if self._is_app(path):
            return steps
        return tuple(step._replace(reaches=()) for step in steps if step.lacks)

    def _reach(self, starts: Iterable[str]) -> Reached:
        """Return what is reached in each way: what the app does itself, and from what it names of vendor/ on."""
        own = {path: steps for path, steps in self._steps.items() if self._is_app(path)}
        near = [_close(starts, counts, own) for counts in _WAYS]
        named = tuple(frozenset(path for path in paths if not self._is_app(path)) for paths in near)
        if self._recalling and self._entered:
            reached = self.vendored.reach(len(self._entered), named)
        else:
            reached = tuple(_close(paths, counts, self._steps) for paths, counts in zip(named, _WAYS, strict=True))
            self.vendored = VendoredImports(tuple(self._entered), named, reached)
        return tuple(one | other for one, other in zip(near, reached, strict=True))

    def _fails(self, path: str) -> bool:
        """Tell whether importing a module certainly fails; in a circle of imports the first goes on with what is there."""
        if path not in self._seen:
            if self._in_vendor or self._is_app(path):
                self._run(path)
            elif self._recalling:
                self._recall(path)
            else:
                self._enter_vendor(path)
        return path in self._failing

    def _run(self, path: str) -> None:
        self._seen.add(path)
        self._steps[path] = ()
        self._depth += 1
        self._read(path)
        self._depth -= 1

    def _enter_vendor(self, path: str) -> None:
        before, changers = len(self._steps), len(self._changers)
        self._in_vendor = True
        self._run(path)
        self._in_vendor = False
        paths = tuple(islice(self._steps, before, None))
        self._entered.append(
            Entrance(
                path=path,
                depth=self._depth,
                paths=paths,
                failing=tuple(one for one in paths if one in self._failing),
                changers=tuple(self._changers[changers:]),
                steps={one: kept for one in paths if (kept := self._keep(one, self._steps[one]))},
            )
        )

    def _recall(self, path: str) -> None:
        if not self._entered:
            self.vendored = recall(self._contents)
        entrance = self.vendored.enter(len(self._entered), path, self._depth)
        self._entered.append(entrance)
        self._seen.update(entrance.paths)
        self._steps |= entrance.steps
        self._failing.update(entrance.failing)
        self._changers += entrance.changers

    def _read(self, path: str) -> None:
        steps: list[Step] = []
        ends: list[Ends] = []
        facts = self._contents.module_facts(path)
        if facts.changes_path:
            self._changers.append(path)
        for statement in facts.imports:
            step = self._step(path, statement, ends)
            steps.append(step)
            ends.append(self._end(path, step))
            if step.runs is Runs.ALWAYS and not statement.guarded and ends[-1] is Ends.IN_ERROR:
                self._failing.add(path)
        self._steps[path] = tuple(steps)

    def _step(self, path: str, statement: ImportStatement, ends: list[Ends]) -> Step:
        runs = _tell_whether_it_runs(statement, ends)
        if runs is Runs.NEVER:
            return Step(statement, runs, (), ())
        lacks, reaches = self._resolver.resolve(path, statement)
        return Step(statement, runs, lacks, reaches)

    def _end(self, path: str, step: Step) -> Ends:
        if step.runs is Runs.NEVER:
            return Ends.WELL
        in_error = {self._go_on(path, step, target) for target in step.reaches}
        if True in in_error or any(lack.reason is not Reason.UNCERTAIN for lack in step.lacks):
            return Ends.IN_ERROR if step.runs is Runs.ALWAYS else Ends.UNKNOWN
        return Ends.UNKNOWN if step.lacks else Ends.WELL

    def _go_on(self, path: str, step: Step, target: str) -> bool:
        """Follow a step into the module at `target`, and tell whether that certainly fails."""
        if step.runs is Runs.ALWAYS and self._depth < _DEEPEST_CHAIN:
            return self._fails(target)
        # What vendor/ imports in functions isn't followed: what is missing there isn't reported.
        if step.runs is Runs.ALWAYS or (self._is_app(path) and self._is_app(target)):
            self._pending.append(target)
        return False


def _close(
    starts: Iterable[str], counts: Callable[[Step], bool], steps: Mapping[str, tuple[Step, ...]]
) -> frozenset[str]:
    """Return what is reached from `starts` by the steps that count."""
    reached = set(starts)
    pending = list(reached)
    while pending:
        found = steps.get(pending.pop(), ())
        targets = {path for step in found if step.reaches and counts(step) for path in step.reaches}
        pending += targets - reached
        reached |= targets
    return frozenset(reached)


def _tell_whether_it_runs(statement: ImportStatement, ends: list[Ends]) -> Runs:
    """Say so by how the statements before it ended, which it stands in for or comes after."""
    runs = Runs.ALWAYS if statement.certain else Runs.PERHAPS
    if statement.if_missing:
        worst = max(ends[index] for index in statement.if_missing)
        runs = min(runs, Runs(worst))
    if statement.if_found:
        worst = max(ends[index] for index in statement.if_found)
        runs = min(runs, Runs(Runs.ALWAYS - worst))
    return runs
