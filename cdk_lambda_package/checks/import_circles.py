"""Names that are imported from a module of the app before it binds them, since it is still being imported itself. Pure.

Statements are followed as Python executes them. Nothing is said where the order isn't certain: where a module of the circle
may have been imported before, by a call or under a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cdk_lambda_package.checks.contents import PackageContents
from cdk_lambda_package.checks.import_doubts import is_given
from cdk_lambda_package.checks.import_graph import ImportGraph, find_starts
from cdk_lambda_package.checks.import_resolution import Lack, Reason
from cdk_lambda_package.checks.import_steps import Runs, Step
from cdk_lambda_package.checks.own_modules import OwnModules, find_absolute_name
from cdk_lambda_package.errors import Finding, Severity

# Far less than what Python's own limit of recursion lets us follow.
_DEEPEST_CHAIN = 100


class _Early(NamedTuple):
    """A name that a statement asks for too early: where its module is, in which line it stands and binds the name."""

    name: str
    path: str
    at: int
    binds: int


def check_circles(contents: PackageContents, graph: ImportGraph) -> Iterator[Finding]:
    """Yield the first import of a name that certainly fails because of a circle, if its failure isn't caught."""
    walk = _Walk(contents, graph)
    found = next((early for start in find_starts(contents) for early in walk.follow(start)), None)
    if found is None:
        return
    path, step, early = found
    module = find_absolute_name(path, step.statement) or ""
    if step.statement.guarded or path not in graph.exposed:
        return
    if is_given(Lack(Reason.NO_NAME, module, early.name), contents, graph):
        return
    yield Finding(
        id="name-not-found",
        severity=Severity.ERROR,
        message=(
            f"{early.name!r} is imported from {module}, which is being imported itself just then: {early.path} has come to "
            f"line {early.at}, and binds the name in line {early.binds}. Import the module in place of the name, do it in "
            "the function that needs it, or move what both need into a third module."
        ),
        path=contents.place(path),
        line=step.statement.line,
        subject=f"{module}.{early.name}",
    )


class _Walk:
    """Imports the app's modules one after the other, as far as that is certain."""

    def __init__(self, contents: PackageContents, graph: ImportGraph) -> None:
        self._contents = contents
        self._graph = graph
        self._own = OwnModules(contents, graph.modules)
        self._begun: set[str] = set()
        self._open: dict[str, int] = {}
        self._perhaps_begun: set[str] = set()

    def follow(self, path: str) -> Iterator[tuple[str, Step, _Early]]:
        """Yield what fails when a module is imported."""
        if path in self._begun or len(self._open) > _DEEPEST_CHAIN or not self._contents.is_app(path):
            return
        self._begun.add(path)
        for step in self._graph.steps.get(path, ()):
            if step.runs is not Runs.ALWAYS:
                self._perhaps_begun.update(step.reaches)
                continue
            self._open[path] = step.statement.line
            yield from ((path, step, early) for early in self._find_early(path, step))
            for target in step.reaches:
                yield from self.follow(target)
        self._open.pop(path, None)

    def _find_early(self, path: str, step: Step) -> Iterator[_Early]:
        module = find_absolute_name(path, step.statement)
        target = self._own.find_path(self._graph.modules.find(module)) if module else None
        if target is None or target == path or target not in self._open:
            return
        for name in step.statement.names:
            binds = self._find_line(target, name)
            submodule = self._graph.modules.find(f"{module}.{name}")
            if binds > self._open[target] and submodule is None and self._is_certain(target):
                yield _Early(name, target, self._open[target], binds)

    def _find_line(self, path: str, name: str) -> int:
        """Return the line where a module binds a name first; 0 where that can't be known."""
        binding = self._own.find_binding(path, name) if self._own.read(path).complete else None
        return binding.first if binding is not None else 0

    def _is_certain(self, target: str) -> bool:
        """Tell whether no module of the circle that begins at `target` can have been imported in another order."""
        opened = list(self._open)
        circle = opened[opened.index(target) :]
        if any(self._contents.module_facts(path).imports_any for path in self._begun):
            return False
        return self._close(self._perhaps_begun).isdisjoint(circle)

    def _close(self, paths: Iterable[str]) -> set[str]:
        reached, pending = set(paths), list(paths)
        while pending:
            targets = {path for step in self._graph.steps.get(pending.pop(), ()) for path in step.reaches}
            pending += targets - reached
            reached |= targets
        return reached
