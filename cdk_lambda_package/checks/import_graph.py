"""Which of the user's modules Lambda runs when it imports the handler's, and how each import in them ends. Pure.

Statements are followed in the order in which Python would execute them, so that a fallback counts only where what it
stands in for fails, also if it fails inside of another module of the user's.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_resolution import Lack, Reason, Resolver
from cdk_lambda_package.module_index import ModuleIndex
from cdk_lambda_package.modules import ImportStatement

# Python itself gives up on longer chains of imports; what lies behind is followed from the start again.
_DEEPEST_CHAIN = 150


class Runs(enum.IntEnum):
    """Whether a statement is executed when its module is imported."""

    NEVER = 0
    PERHAPS = 1
    ALWAYS = 2


class Ends(enum.IntEnum):
    """How an import ends."""

    WELL = 0
    UNKNOWN = 1
    IN_ERROR = 2


class Step(NamedTuple):
    """An import statement in its module: what it asks for in vain, and the paths of the user's modules that it runs."""

    statement: ImportStatement
    runs: Runs
    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]


class ImportGraph(NamedTuple):
    """The user's modules that are imported from the handler's on, by their paths.

    Attributes:
        steps: The import statements of each module that was followed, in the order in which they are met.
        certain: What is run whenever the handler's module is imported.
        perhaps: What else may be run, by a call or under a condition. It doesn't go on from modules of vendor/ that
            only may be reached.
        exposed: Those of `certain` whose failure nobody catches.
        exposed_perhaps: Those of both whose failure nobody catches, if they are run.
        modules: What `import` finds in the package and around it.
    """

    steps: Mapping[str, tuple[Step, ...]]
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
    course = _Course(contents, index)
    starts = tuple(_find_starts(contents))
    course.follow(starts)
    certain = course.close(starts, lambda step: step.runs is Runs.ALWAYS)
    return ImportGraph(
        steps=course.steps,
        certain=certain,
        perhaps=course.close(starts, lambda _: True) - certain,
        exposed=course.close(starts, lambda step: step.runs is Runs.ALWAYS and not step.statement.guarded),
        exposed_perhaps=course.close(starts, lambda step: not step.statement.guarded),
        modules=index,
    )


def _find_starts(contents: PackageContents) -> Iterable[str]:
    """Yield the paths of the handler's module and of the packages around it, which Python imports first."""
    folders = contents.index.split("/")[:-1]
    for count in range(1, len(folders) + 1):
        path = "/".join([*folders[:count], "__init__.py"])
        if path in contents.entries:
            yield path
    yield contents.index


class _Course:
    """The state of following imports: each module once, whatever way leads to it."""

    def __init__(self, contents: PackageContents, index: ModuleIndex) -> None:
        self.steps: dict[str, tuple[Step, ...]] = {}
        self._contents = contents
        self._resolver = Resolver(contents, index)
        self._failing: set[str] = set()
        self._pending: list[str] = []
        self._depth = 0

    def follow(self, starts: Iterable[str]) -> None:
        """Follow everything that may be run from `starts` on."""
        self._pending += starts
        while self._pending:
            self._fails(self._pending.pop(0))

    def close(self, starts: Iterable[str], counts: Callable[[Step], bool]) -> frozenset[str]:
        """Return what is reached from `starts` by the steps that count."""
        reached = set(starts)
        pending = list(starts)
        while pending:
            steps = self.steps.get(pending.pop(), ())
            targets = {path for step in steps if step.reaches and counts(step) for path in step.reaches}
            pending += targets - reached
            reached |= targets
        return frozenset(reached)

    def _fails(self, path: str) -> bool:
        """Tell whether importing a module certainly fails; in a circle of imports the first goes on with what is there."""
        if path not in self.steps:
            self.steps[path] = ()
            self._depth += 1
            self._read(path)
            self._depth -= 1
        return path in self._failing

    def _read(self, path: str) -> None:
        steps: list[Step] = []
        ends: list[Ends] = []
        for statement in self._contents.module_facts(path).imports:
            step = self._step(path, statement, ends)
            steps.append(step)
            ends.append(self._end(path, step))
            if step.runs is Runs.ALWAYS and not statement.guarded and ends[-1] is Ends.IN_ERROR:
                self._failing.add(path)
        self.steps[path] = tuple(steps)

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
        if step.runs is Runs.ALWAYS or (self._contents.is_app(path) and self._contents.is_app(target)):
            self._pending.append(target)
        return False


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
