"""Everything that runs after a module, followed from statement to statement.

Statements are followed in the order in which Python executes them, so that a fallback counts only if the import that it
replaces fails, also if it fails inside of another module.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from cdk_lambda_package.import_analysis.facts import (
    ComputedImport,
    FunctionRun,
    ImportStatement,
    ModuleFacts,
    StartedCall,
)


class Reason(enum.Enum):
    """Why something can't be imported, or may not.

    Example:
        `Reason.NO_MODULE` for `import yaml` without PyYAML.
    """

    NO_MODULE = "no module"
    NO_NAME = "no name"
    NO_PARENT = "no parent package"
    """A relative import leads out of the top-level package, or is in a module without a package."""
    UNCERTAIN = "uncertain"
    """The module may be there or not."""
    NO_STUB = "no stub"
    """The .pyi file that a module reads its names from isn't there."""


class Lack(NamedTuple):
    """Something that a statement asks for and doesn't get: `module` by its full name, or a `name` in it.

    `wanted` is what the statement asks for; `module` may be only its first part that is missing.

    Example:
        `Lack(Reason.NO_NAME, "collections", "Mapping")`
    """

    reason: Reason
    module: str
    name: str | None = None
    wanted: str = ""


class Resolved(NamedTuple):
    """The effect of a statement: the missing modules, and the paths of the followed modules that it runs, in order.

    `loads` are the paths of the extension modules that it loads, or would load if they were for this Python and system.
    """

    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]
    loads: tuple[str, ...] = ()


class Uses(NamedTuple):
    """The effect of what a module does with imported names: modules that it may run, and functions that it calls.

    Example:
        `Uses(("lib/fields.py",), (("lib/setup.py", "init"),))` for `lib.Field` and `lib.setup.init()`.
    """

    reaches: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()


class Effects(Protocol):
    """What the tracer asks of the analysis of modules, by their paths."""

    def facts(self, path: str) -> ModuleFacts:
        """Return what the source says."""
        ...

    def resolve(self, path: str, statement: ImportStatement) -> Resolved:
        """Return the effect of a statement."""
        ...

    def computed(self, path: str, one: ComputedImport) -> tuple[str, ...]:
        """Return the paths of the modules that an import by a computed name may run."""
        ...

    def uses(self, path: str) -> Uses:
        """Return the effect of names that are used while the module is imported."""
        ...

    def uses_of(self, path: str, function: str) -> Uses:
        """Return the effect of a call of one of its functions or classes, beyond the imports in it."""
        ...

    def callee(self, path: str, name: str) -> tuple[str, str] | None:
        """Return the module and name of a function or class that the module knows by a full name; None if that isn't certain."""
        ...


# Python itself gives up on longer chains of imports. The modules beyond are followed from the start again.
_DEEPEST_CHAIN = 150


class Runs(enum.IntEnum):
    """Whether a statement is executed when its module is imported.

    Example:
        `Runs.LATER` for an import in the handler's function.
    """

    NEVER = 0
    LATER = 1
    """In a function that nothing is known to call while the module is imported."""
    PERHAPS = 2
    """Under a condition, or by a call, that can't be decided."""
    ALWAYS = 3


class Ends(enum.IntEnum):
    """How an import ends."""

    WELL = 0
    UNKNOWN = 1
    IN_ERROR = 2


# Whether a statement runs that another one's failure leads to, or its success, by how that one ends.
_IF_MISSING = {Ends.WELL: Runs.NEVER, Ends.UNKNOWN: Runs.PERHAPS, Ends.IN_ERROR: Runs.ALWAYS}
_IF_FOUND = {Ends.WELL: Runs.ALWAYS, Ends.UNKNOWN: Runs.PERHAPS, Ends.IN_ERROR: Runs.NEVER}


class Step(NamedTuple):
    """An import statement in its module: what it asks for that isn't there, and the paths of the modules that it runs.

    `loads` are the paths of its extension modules, as in `Resolved`.

    Example:
        `graph.steps["app.py"][0].reaches` is `("chalicelib/__init__.py",)` for `import chalicelib`.
    """

    statement: ImportStatement
    runs: Runs
    lacks: tuple[Lack, ...]
    reaches: tuple[str, ...]
    loads: tuple[str, ...] = ()

    @property
    def is_exposed(self) -> bool:
        """True if the module fails with it: it certainly runs, and nothing catches its failure."""
        return self.runs is Runs.ALWAYS and not self.statement.guarded

    @property
    def passes_on(self) -> bool:
        """True if the module fails with what certainly fails in a module that the step runs."""
        return self.is_exposed and not self.statement.tolerant


class Crossing(NamedTuple):
    """A step of a module of the user's own that runs others: `fails` tells whether one that isn't the user's own failed.

    Two traces with the same crossings do the same in all modules that aren't the user's own.

    Example:
        `Crossing("app.py", Runs.ALWAYS, guarded=False, reaches=("pandas/__init__.py",), fails=False)`
    """

    path: str
    runs: Runs
    guarded: bool
    reaches: tuple[str, ...]
    fails: bool


class OwnUse(NamedTuple):
    """What a module of the user's own does with names while it is imported: what it `asks`, and the outcome.

    `reaches` are modules that may run by it, `functions` those of the module that may, and `certain` those imports in functions
    that certainly run, by their indices.
    """

    asks: str
    reaches: tuple[str, ...]
    functions: tuple[str, ...]
    certain: tuple[int, ...] = ()


class Past(NamedTuple):
    """What is known of a past trace: the crossings, and by path what the user's own modules did with names."""

    crossings: tuple[Crossing, ...]
    uses: Mapping[str, OwnUse]


class DivergedError(Exception):
    """A trace does something else in the user's own modules than the one whose outcome it relies on."""


class Link(NamedTuple):
    """The import of a module: the path of the module that has the statement, and its line, from 1.

    Example:
        `Link("app.py", 3)`
    """

    path: str
    line: int


class ImportGraph(NamedTuple):
    """The followed modules that are reached from a module, by their paths.

    Attributes:
        starts: The modules that are imported first, with the packages around them.
        steps: The import statements of each module, in the order of the first visit.
        changers: The modules that change where Python finds modules, in the same order.
        certain: The modules that run whenever the first one is imported.
        perhaps: Other modules that may run while it is imported, by a call or under a condition.
        later: All others that may run, such as those that are imported in functions.
        exposed: Those of `certain` whose failure nothing catches.
        exposed_perhaps: Those of both whose failure nothing catches, if they run.
        past: What another trace of the user's own modules alone needs to know of this one.

    Example:
        `analysis.graph("app.py").certain` has `"app.py"`, and every module that it certainly imports.
    """

    starts: tuple[str, ...]
    steps: Mapping[str, tuple[Step, ...]]
    changers: tuple[str, ...]
    certain: frozenset[str]
    perhaps: frozenset[str]
    later: frozenset[str]
    exposed: frozenset[str]
    exposed_perhaps: frozenset[str]
    past: Past = Past((), {})

    def links(self) -> Mapping[str, Link]:
        """Return the import by which each module is reached first, extension modules too: the shortest way from the start.

        A way of statements that certainly run is preferred to a shorter one, and one of those that may to one of functions. Modules at the start have no link.
        """
        links: dict[str, Link] = {}
        counts: tuple[Callable[[Step], bool], ...] = (
            lambda step: step.passes_on,
            lambda step: step.runs is Runs.ALWAYS,
            lambda step: step.runs >= Runs.PERHAPS,
            lambda step: step.runs is not Runs.NEVER,
        )
        for one in counts:
            pending = [*self.starts, *links]
            for path in pending:  # grows on the way
                for step in self.steps.get(path, ()):
                    for target in (*step.reaches, *step.loads) if one(step) else ():
                        if target not in links and target not in self.starts:
                            links[target] = Link(path, step.statement.line)
                            pending.append(target)
        return links

    def in_order(self) -> Iterator[tuple[str, Step]]:
        """Yield all statements with their modules' paths, in the order in which Python executes those that certainly run."""
        seen: set[str] = set()
        stack: list[str | tuple[str, Step]] = list(reversed((*self.starts, *self.steps)))
        while stack:
            item = stack.pop()
            if isinstance(item, tuple):
                yield item
            elif item not in seen:
                seen.add(item)
                for step in reversed(self.steps.get(item, ())):
                    stack.append((item, step))
                    stack += reversed(step.reaches) if step.runs is Runs.ALWAYS else ()

    def chain_to(self, path: str) -> tuple[Link, ...]:
        """Return the imports that lead from the start to a module, in order; none for a module at the start."""
        links, chain = self.links(), list[Link]()
        while path in links:
            chain.append(links[path])
            path = chain[-1].path
        return tuple(reversed(chain))


def trace(
    modules: Iterable[str],
    paths: Collection[str],
    effects: Effects,
    *,
    own: Collection[str] = (),
    past: Past | None = None,
) -> ImportGraph:
    """Follow everything that may run when `modules`, given by path, are imported; `paths` are all that can be found.

    `own` are the paths of the user's own modules. With what is known of a `past` trace, only these are followed. Raises
    `DivergedError` if they do something else by now.
    """
    starts = tuple(dict.fromkeys(start for module in modules for start in (*packages_around(module, paths), module)))
    tracer = _Tracer(effects, own, past)
    tracer.follow(starts)
    starter = _Starter(tracer, effects, own)
    if past is None:
        starter.follow(starts)
        starter.mark_certain(starts)
    else:
        starter.repeat(past.uses)
    steps = tracer.steps
    certain = _close(starts, steps, lambda step: step.runs is Runs.ALWAYS)
    perhaps = _close(starts, steps, lambda step: step.runs >= Runs.PERHAPS)
    exposed = _close(starts, steps, lambda step: step.passes_on)
    return ImportGraph(
        starts=starts,
        steps=steps,
        changers=tuple(tracer.changers),
        certain=certain,
        perhaps=perhaps - certain,
        later=frozenset(steps) - perhaps,
        exposed=exposed,
        exposed_perhaps=_close(starts, steps, lambda step: not step.statement.guarded),
        past=Past(tuple(tracer.crossings), starter.uses),
    )


def packages_around(path: str, paths: Collection[str]) -> Iterator[str]:
    """Yield the packages around a module, which Python imports first."""
    folders = path.split("/")[:-1]
    for count in range(1, len(folders) + 1):
        package = "/".join([*folders[:count], "__init__.py"])
        if package in paths:
            yield package


class _Tracer:
    """Follows imports: each module once, at the first import that leads to it."""

    def __init__(self, effects: Effects, own: Collection[str], past: Past | None) -> None:
        self.steps: dict[str, tuple[Step, ...]] = {}
        self.changers: list[str] = []
        self.crossings: list[Crossing] = []
        self._own = own
        self._past = past.crossings if past is not None else None
        self._effects = effects
        self._failing: set[str] = set()
        self._pending: list[str] = []
        self._depth = 0

    def follow(self, starts: Iterable[str]) -> None:
        """Follow everything that may run from these modules on."""
        self._pending += starts
        while self._pending:
            # Each adds more.
            paths, self._pending = dict.fromkeys(self._pending), []
            for path in paths:
                self._fails(path)
        if self._past is not None and len(self.crossings) < len(self._past):
            raise DivergedError

    def _fails(self, path: str) -> bool:
        """Return whether importing a module certainly fails; in a circle, Python goes on with an unfinished module."""
        if self._past is not None and path not in self._own:
            return False  # the crossing that leads to it says so
        if path not in self.steps:
            self.steps[path] = ()
            self._depth += 1
            self._read(path)
            self._depth -= 1
        return path in self._failing

    def _read(self, path: str) -> None:
        steps: list[Step] = []
        ends: list[Ends] = []
        facts = self._effects.facts(path)
        if facts.changes:
            self.changers.append(path)
        for statement in facts.imports:
            runs = _runs(statement, ends)
            resolved = self._effects.resolve(path, statement) if runs is not Runs.NEVER else Resolved((), ())
            step = Step(statement, runs, *resolved)
            steps.append(step)
            ends.append(self._end(path, step))
            if step.is_exposed and ends[-1] is Ends.IN_ERROR:
                self._failing.add(path)
        for one in facts.computed:
            if reaches := self._effects.computed(path, one):
                steps.append(_step_of(one, reaches))
                self._end(path, steps[-1])
        self.steps[path] = tuple(steps)

    def _end(self, path: str, step: Step) -> Ends:
        """Follow a step of the module at `path` into the modules that it runs, and return how it ends."""
        failed: list[str] = []
        if step.runs is not Runs.ALWAYS or self._depth >= _DEEPEST_CHAIN:
            self._pending += step.reaches
        else:
            failed = [target for target in step.reaches if self._fails(target)]
        failing = bool(failed)
        if path in self._own and step.reaches:
            foreign = any(target not in self._own for target in failed)
            guarded = step.statement.guarded or step.statement.tolerant
            failing |= self._cross(Crossing(path, step.runs, guarded, step.reaches, foreign)).fails
        if any(lack.reason is not Reason.UNCERTAIN for lack in step.lacks) or (failing and not step.statement.tolerant):
            return Ends.IN_ERROR if step.runs is Runs.ALWAYS else Ends.UNKNOWN
        return Ends.UNKNOWN if step.lacks or failing else Ends.WELL

    def _cross(self, crossing: Crossing) -> Crossing:
        """Note a crossing, and return it with what is known of it from the past trace."""
        if self._past is not None:
            known = self._past[len(self.crossings)] if len(self.crossings) < len(self._past) else None
            if known is None or known != crossing._replace(fails=known.fails):
                raise DivergedError
            crossing = known
        self.crossings.append(crossing)
        return crossing


def _step_of(one: ComputedImport, reaches: tuple[str, ...]) -> Step:
    """Return the step of an import by a computed name: a part of it may be the name of many modules, of which a call loads one."""
    runs = Runs.PERHAPS if not one.deferred else Runs.LATER
    statement = ImportStatement("", 0, (), line=one.line, certain=False, guarded=True, deferred=one.deferred)
    return Step(statement, runs, (), reaches)


class _Starter:
    """Follows what modules do with names while they are imported, and notes in their steps what may run by it."""

    def __init__(self, tracer: _Tracer, effects: Effects, own: Collection[str]) -> None:
        self._tracer, self._effects, self._own = tracer, effects, own
        self._reached: set[str] = set()
        self._called: set[tuple[str, str]] = set()
        self._started: dict[str, set[str]] = {}
        self._certain: dict[str, dict[int, None]] = {}
        self._pending: list[str] = []
        self._calls: list[tuple[str, str]] = []

    def follow(self, starts: Iterable[str]) -> None:
        """Follow everything that may run from these modules on."""
        self._pending += starts
        while self._pending or self._calls:
            while self._calls:
                self._call(*self._calls.pop())
            if self._pending:
                self._reach(self._pending.pop())

    @property
    def uses(self) -> Mapping[str, OwnUse]:
        """What the user's own modules do with names, by their paths."""
        asked, steps = self._asked(), self._tracer.steps
        return {path: self._use_of(path, steps[path], asks) for path, asks in asked.items()}

    def repeat(self, uses: Mapping[str, OwnUse]) -> None:
        """Note in the steps of the user's own modules what was found in a past trace. Raises `DivergedError`."""
        asked = self._asked()
        for path in self._tracer.steps:
            known = uses.get(path)
            if known is None or known.asks != asked[path]:
                raise DivergedError
            self._note(path, Uses(known.reaches))
            self._started[path] = set(known.functions)
            self._start(path)
            self._mark(path, known.certain)

    def _asked(self) -> dict[str, str]:
        """Return what the outcome depends on of names that the user's own modules use, by their paths."""
        own = {path: steps for path, steps in self._tracer.steps.items() if path in self._own}
        shared = {target for steps in own.values() for step in steps for target in step.reaches}
        found = {}
        for path, steps in own.items():
            facts = self._effects.facts(path)
            passed_on = _passed_on(facts, steps) if path in shared else ()
            found[path] = repr(
                (
                    facts.uses,
                    facts.named,
                    facts.calls,
                    facts.bases,
                    passed_on,
                    _given_by(facts),
                    facts.runs,
                    facts.given,
                    facts.passed,
                )
            )
        return found

    def _use_of(self, path: str, steps: Iterable[Step], asks: str) -> OwnUse:
        reaches = (target for step in steps if step.statement is _BY_USE for target in step.reaches)
        functions = sorted(self._started.get(path, ()))
        return OwnUse(asks, tuple(reaches), tuple(functions), tuple(self._certain.get(path, ())))

    def mark_certain(self, starts: Iterable[str]) -> None:
        """Note in the steps which imports in functions certainly run, as modules that nothing catches the failure of call them."""
        exposed: frozenset[str] = frozenset()
        while True:
            known, exposed = exposed, _close(starts, self._tracer.steps, lambda step: step.passes_on)
            for path in sorted(exposed - known):
                for call in self._effects.facts(path).started:
                    self._start_for_certain(path, call)
            if known == exposed:
                return

    def _start_for_certain(self, path: str, call: StartedCall) -> None:
        target, function = self._effects.callee(path, call.name) or ("", "")
        runs = [run for run in self._effects.facts(target).runs if run.function == function and target != path]
        indices = [index for run in runs if self._is_certain(run, target) for index in run.imports]
        if target in self._tracer.steps and indices:
            self._mark(target, indices)
            by_call = ImportStatement("", 0, (), line=call.line, certain=True, guarded=False)
            self._tracer.steps[path] = (*self._tracer.steps[path], Step(by_call, Runs.ALWAYS, (), (target,)))

    def _is_certain(self, run: FunctionRun, target: str) -> bool:
        """Return whether no module may replace a function of the one at `target`, nor give it an argument that decides otherwise."""
        avoided = {"*", *run.unless} if run.unless else frozenset[str]()
        for path in self._tracer.steps:
            facts = self._effects.facts(path)
            if any(
                _may_replace(name, run.through, target)
                for name in (*facts.given, *(f"{one}.*" for one in facts.passed))
            ):
                return False
            given = {call.name: call.given for call in facts.started}
            used = {use.removesuffix("()") for use in facts.uses if use.endswith("()")} | {
                base for _, base in facts.bases
            }
            for name in (*given, *(used - given.keys())):
                if name.rpartition(".")[2] != run.function or path == target:
                    continue
                other = self._effects.callee(path, name)
                if other in (None, (target, run.function)) and not avoided.isdisjoint(given.get(name, "*")):
                    return False
        return True

    def _mark(self, path: str, indices: Iterable[int]) -> None:
        steps = list(self._tracer.steps[path])
        for index in indices:
            self._certain.setdefault(path, {})[index] = None
            steps[index] = steps[index]._replace(runs=Runs.ALWAYS)
        self._tracer.steps[path] = tuple(steps)

    def _reach(self, path: str) -> None:
        if path in self._reached:
            return
        self._reached.add(path)
        self._tracer.follow([path])
        self._note(path, self._effects.uses(path))
        self._start(path)
        self._go_on(path)

    def _call(self, path: str, function: str) -> None:
        """Follow a call of a function or class of a module."""
        if (path, function) in self._called:
            return
        self._called.add((path, function))
        self._note(path, self._effects.uses_of(path, function))
        self._started.setdefault(path, set()).update(_functions_run_by(function, self._effects.facts(path)))
        if path in self._reached:
            self._start(path)
            self._go_on(path)

    def _note(self, path: str, uses: Uses) -> None:
        self._calls += uses.calls
        steps = self._tracer.steps
        known = {target for step in steps.get(path, ()) if step.runs >= Runs.PERHAPS for target in step.reaches}
        more = tuple(target for target in uses.reaches if target not in known)
        if more:
            steps[path] = (*steps.get(path, ()), Step(_BY_USE, Runs.PERHAPS, (), more))
            if path in self._reached:
                self._pending += more

    def _start(self, path: str) -> None:
        """Mark the imports in functions that are called."""
        functions = self._started.get(path, set())
        if functions:
            self._tracer.steps[path] = tuple(
                step._replace(runs=Runs.PERHAPS)
                if step.runs is Runs.LATER and step.statement.function in functions
                else step
                for step in self._tracer.steps[path]
            )

    def _go_on(self, path: str) -> None:
        self._pending += (
            target for step in self._tracer.steps[path] if step.runs >= Runs.PERHAPS for target in step.reaches
        )


def _passed_on(facts: ModuleFacts, steps: Iterable[Step]) -> tuple[object, ...]:
    """Return what the use of a module's names by another depends on: its imports that lead to modules, and its lazy tables.

    Lines don't count, since most edits change them.
    """
    imports = [step.statement for step in steps if step.reaches and (step.statement.module or step.statement.level)]
    names, lines = {name for one in imports for name in one.names}, {one.line for one in imports}
    bound = [
        (binding.name, str(binding.kind))
        for binding in facts.bindings
        if binding.name in names or binding.line in lines or "*" in names
    ]
    table = [(*lazy, facts.answers(lazy.name)) for lazy in facts.lazy]
    return (
        [(one.module, one.level, one.names, one.function, one.certain) for one in imports],
        bound,
        table,
        facts.exported,
    )


def _may_replace(given: str, functions: Collection[str], path: str) -> bool:
    """Return whether a name that a module gives to another one, or to a class, may replace a function of the module at `path`."""
    owner, _, name = given.rpartition(".")
    owner = owner.rpartition(".")[2]
    return name in functions or owner in functions or (name == "*" and owner in path.removesuffix(".py").split("/"))


def _given_by(facts: ModuleFacts) -> list[tuple[str, tuple[str, ...]]]:
    """Return the calls of a module that certainly run, without their lines."""
    return [(call.name, call.given) for call in facts.started]


# Stands for the use of a name that an import bound, whose failure shows nothing.
_BY_USE = ImportStatement("", 0, (), line=1, certain=False, guarded=True)
# Methods that a call of their class runs.
_OF_CLASS = ("__init__", "__new__", "__post_init__")


def _functions_run_by(name: str, facts: ModuleFacts) -> set[str]:
    """Return the functions of a module that may run imports when one of it, or of an object in it, is called."""
    known = {statement.function for statement in facts.imports if statement.function}
    known.update(function for pair in facts.calls for function in pair)
    found = {one for one in (name, *(f"{name}.{method}" for method in _OF_CLASS)) if one in known}
    owner, _, last = name.rpartition(".")
    if owner and not last.startswith("__"):
        found.update(one for one in known if one.rpartition(".")[2] == last)
    pending = list(found)
    while pending:
        caller = pending.pop()
        callees = {callee for one, callee in facts.calls if one == caller} - found
        found |= callees
        pending += callees
    return found


def _close(
    starts: Iterable[str], steps: Mapping[str, tuple[Step, ...]], counts: Callable[[Step], bool]
) -> frozenset[str]:
    """Return what is reached from `starts` by the steps that count."""
    reached = set(starts)
    pending = list(reached)
    while pending:
        for step in steps.get(pending.pop(), ()):
            if step.reaches and counts(step):
                targets = set(step.reaches) - reached
                pending += targets
                reached |= targets
    return frozenset(reached)


def _runs(statement: ImportStatement, ends: list[Ends]) -> Runs:
    """Return whether a statement runs, by how the statements ended that it replaces or follows."""
    runs = Runs.ALWAYS if statement.certain else Runs.LATER if statement.deferred else Runs.PERHAPS
    if statement.if_missing:
        runs = min(runs, _IF_MISSING[max(ends[index] for index in statement.if_missing)])
    if statement.if_found:
        runs = min(runs, _IF_FOUND[max(ends[index] for index in statement.if_found)])
    return runs
