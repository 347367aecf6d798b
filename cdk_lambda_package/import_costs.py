"""What a function loads when it starts: modules, their source, who imports them, and if it was measured, their times.

The modules are those of the import graph, with the compiled ones that it leads to: the package's own ones and those of its
layers. The standard library and the packages of Lambda's runtime aren't counted, since a package can't change them; only
times have them.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from cdk_lambda_package.checks import PackageContents
from cdk_lambda_package.errors import count, nearest
from cdk_lambda_package.handlers import module_name
from cdk_lambda_package.import_analysis import Link, ModuleOrigin, Runs
from cdk_lambda_package.loading import module_stem
from cdk_lambda_package.manifest import describe_target
from cdk_lambda_package.smoke import ImportTime
from cdk_lambda_package.target import Target

COSTS_FORMAT = 1

_KB, _MB = 1_000, 1_000_000
_SHOWN_LINKS, _SHOWN_LARGEST = 3, 3
# What a start does with what a budget limits, its unit, and the digits that matter.
_BUDGETS = {"modules": ("loads", "modules", 0), "mb": ("loads", "MB of source", 2), "ms": ("takes", "ms", 1)}
_LAYERS, _STANDARD_LIBRARY, _ELSEWHERE = "layers", "standard library", "elsewhere"


class When(enum.StrEnum):
    """When a module is loaded."""

    CERTAIN = "certain"
    """At every start."""
    PERHAPS = "perhaps"
    """At start, under a condition or by a call that can't be decided."""
    LATER = "later"
    """In functions that nothing is known to call at start."""


# How a module is loaded that a statement imports, by whether the statement runs.
_WHEN = {Runs.ALWAYS: When.CERTAIN, Runs.PERHAPS: When.PERHAPS, Runs.LATER: When.LATER}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedModule:
    """A module that is loaded at start, perhaps, or later.

    `path` is that of its file in the package or below /opt, `size` the bytes of its source, 0 for one that is `compiled`. `link`
    is the import by which it is reached first, None for the handler's module. `own` and `total` are microseconds, None if it
    wasn't measured or wasn't loaded.
    """

    name: str
    path: str
    owner: str
    size: int
    when: When
    link: Link | None
    compiled: bool = False
    own: int | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What an owner of modules (a distribution, the app, vendor/, layers) adds to a start.

    `modules` and `size`, in bytes, are of what is certainly loaded; `perhaps` and `perhaps_size` of what may be; `later` and
    `later_size` of what functions import. `chain` are the imports that lead to its first module. `own` are microseconds, None
    if nothing was measured.
    """

    owner: str
    modules: int
    size: int
    perhaps: int
    perhaps_size: int
    later: int
    later_size: int
    chain: tuple[Link, ...]
    own: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A limit of the command line: what it is of, and what there is of it. `shares` are the largest, each in words."""

    name: str
    limit: float
    actual: float
    shares: tuple[str, ...]

    @property
    def exceeded(self) -> bool:
        """Whether there is more than the limit allows."""
        return self.actual > self.limit

    def __str__(self) -> str:
        """Return by how much the budget is exceeded, and by what."""
        does, unit, digits = _BUDGETS[self.name]
        actual, over = (f"{number:,.{digits}f}" for number in (self.actual, self.actual - self.limit))
        return (
            f"The start {does} {actual} {unit}, {over} more than --budget-{self.name} {self.limit:g} allows. "
            f"{'The largest are' if len(self.shares) > 1 else 'It is all'} {', '.join(self.shares)}."
        )


@dataclass(frozen=True, kw_only=True)
class ImportCosts:
    """The modules of a start, in the order of their paths.

    If it was measured, `others` are the microseconds of what no statement leads to, by owner: the standard library, what compiled modules load;
    and `elapsed` those of the whole import; `elapsed_compiled` those with the bytecode of the reached modules, None if this machine
    can't compile it.
    """

    target: Target
    index: str
    modules: tuple[LoadedModule, ...]
    others: Mapping[str, int]
    elapsed: int | None = None
    elapsed_compiled: int | None = None

    @cached_property
    def by_path(self) -> Mapping[str, LoadedModule]:
        """The modules by their paths."""
        return {module.path: module for module in self.modules}

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """The owners, those with most time, else with most source first."""
        by_owner: dict[str, list[LoadedModule]] = defaultdict(list)
        for module in self.modules:
            by_owner[module.owner].append(module)
        shares = [self._share(owner, modules) for owner, modules in by_owner.items()]
        return tuple(
            sorted(shares, key=lambda one: (-(one.own or 0), -one.size, -one.perhaps_size, -one.later_size, one.owner))
        )

    def _share(self, owner: str, modules: Sequence[LoadedModule]) -> Share:
        certain, perhaps, later = ([module for module in modules if module.when is when] for when in When)
        first = min(certain or perhaps or later, key=lambda module: (len(self.chain_to(module)), module.path))
        measured = None if self.elapsed is None else sum(module.own or 0 for module in modules)
        return Share(
            owner=owner,
            modules=len(certain),
            size=sum(module.size for module in certain),
            perhaps=len(perhaps),
            perhaps_size=sum(module.size for module in perhaps),
            later=len(later),
            later_size=sum(module.size for module in later),
            chain=self.chain_to(first),
            own=None if measured is None else measured + self.others.get(owner, 0),
        )

    @cached_property
    def _chains(self) -> dict[str, tuple[Link, ...]]:
        return {}

    def chain_to(self, module: LoadedModule) -> tuple[Link, ...]:
        """Return the imports that lead to a module, from the start on."""
        way: list[LoadedModule] = []
        while module.link is not None and module.path not in self._chains:
            way.append(module)
            module = self.by_path[module.link.path]
        chain = self._chains.get(module.path, ())
        for one in reversed(way):
            chain = self._chains[one.path] = (*chain, *filter(None, [one.link]))
        return chain

    def share_of(self, name: str) -> Share | str:
        """Return the share of a distribution, given with or without its version; else why there is none."""
        for share in self.shares:
            if name.lower().replace("_", "-") in (share.owner, share.owner.partition("==")[0]):
                return share
        near = nearest(name, [share.owner.partition("==")[0] for share in self.shares])
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"No import leads to {name!r}, not even one in a function.{hint}"

    def budgets(self, limits: Mapping[str, float]) -> tuple[Budget, ...]:
        """Return the budgets with these limits: of `modules` and `mb`, for what is certainly loaded, and of `ms`."""
        certain = [share for share in self.shares if share.modules]
        rows = {
            "modules": (1, {one.owner: one.modules for one in certain}, "{}"),
            "mb": (_MB, {one.owner: one.size for one in certain}, "{:.2f} MB"),
            "ms": (_KB, self._times(), "{:.1f} ms"),
        }
        found = []
        for name, limit in limits.items():
            unit, amounts, text = rows[name]
            actual = (self.elapsed or 0) if name == "ms" else sum(amounts.values())
            largest = sorted(amounts.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN_LARGEST]
            shares = tuple(
                f"{owner} ({text.format(amount / unit if unit > 1 else amount)})" for owner, amount in largest
            )
            found.append(Budget(name=name, limit=limit, actual=actual / unit, shares=shares))
        return tuple(found)

    def _times(self) -> dict[str, int]:
        return {**self.others, **{share.owner: share.own or 0 for share in self.shares}}


def weigh_imports(
    contents: PackageContents, times: Sequence[ImportTime] = (), compiled_times: Sequence[ImportTime] = ()
) -> ImportCosts:
    """Return what the modules of a package load, with measured `times`, whose last one is that of the whole import.

    `compiled_times` are those with bytecode.

    Example:
        `weigh_imports(contents).shares[0].owner`
    """
    graph, links = contents.graph, contents.graph.links()
    compiled = _find_compiled(contents)
    names = {path: _name_of(path) for path in graph.steps} | {path: one.module for path, one in compiled.items()}
    paths = {name: path for path, name in names.items()}
    measured: dict[str, ImportTime] = {}
    others: dict[str, int] = defaultdict(int)
    for time in times:
        path = paths.get(time.module)
        if path is not None:
            measured[path] = time
        else:
            others[_owner_of_module(time.module, contents)] += time.own
    modules = []
    for path in sorted({*graph.steps, *compiled}):
        found = measured.get(path)
        modules.append(
            LoadedModule(
                name=names[path],
                path=path,
                owner=contents.owner(path) or _LAYERS,
                size=0 if path in compiled else _size_of(path, contents),
                when=compiled[path].when if path in compiled else _when(path, contents),
                link=compiled[path].link if path in compiled else links.get(path),
                compiled=path in compiled,
                own=found.own if found else None,
                total=found.total if found else None,
            )
        )
    return ImportCosts(
        target=contents.target,
        index=contents.index,
        modules=tuple(modules),
        others=others,
        elapsed=times[-1].total if times else None,
        elapsed_compiled=compiled_times[-1].total if compiled_times else None,
    )


class _Compiled(NamedTuple):
    """A compiled module that an import leads to: its full name, when it is loaded, and the first import that does it."""

    module: str
    when: When
    link: Link


def _find_compiled(contents: PackageContents) -> dict[str, _Compiled]:
    """Return the compiled modules that statements load, by their paths."""
    found: dict[str, _Compiled] = {}
    for path, steps in contents.graph.steps.items():
        around = _when(path, contents)
        for step in steps:
            when = max(around, _WHEN[step.runs], key=list(When).index) if step.loads else around
            for target in step.loads:
                known = found.get(target)
                if known is None or list(When).index(when) < list(When).index(known.when):
                    name = _name_of(f"{module_stem(target)}.py")
                    found[target] = _Compiled(name, when, Link(path, step.statement.line))
    return found


def _when(path: str, contents: PackageContents) -> When:
    graph = contents.graph
    return When.CERTAIN if path in graph.certain else When.PERHAPS if path in graph.perhaps else When.LATER


def _size_of(path: str, contents: PackageContents) -> int:
    """Return the bytes of a module's source, in the package or in the last layer that has it."""
    if (entry := contents.entries.get(path)) is not None:
        return entry.size
    sizes = (layer.files.get(path.removeprefix("/opt/")) for layer in reversed(contents.layers))
    return next((size for size in sizes if size is not None), 0)


def _name_of(path: str) -> str:
    """Return the full name of a module by its path; those of a layer begin below the folder that Python searches."""
    return module_name(path.rpartition("/site-packages/")[2].removeprefix("/opt/python/"))


def _owner_of_module(module: str, contents: PackageContents) -> str:
    """Return the owner of a module that isn't in the graph: one that is compiled, made up, or of Python itself."""
    name = module
    while name:
        found = contents.imports.finder.find(name)
        if found is not None:
            if found.path is not None:
                return contents.owner(found.path) or _LAYERS
            return _STANDARD_LIBRARY if found.origin is ModuleOrigin.STANDARD_LIBRARY else _ELSEWHERE
        name = name.rpartition(".")[0]
    return _STANDARD_LIBRARY if module.startswith("_") else _ELSEWHERE


# Text


def format_costs(costs: ImportCosts, *, depth: int, later: bool = False) -> Iterator[str]:
    """Yield the lines of a report for a terminal: the owners, and the tree of imports down to a depth.

    What functions import `later` is a line, or with it in both.

    Example:
        `for line in format_costs(weigh_imports(contents), depth=2): print(line)`
    """
    yield from _summary(costs, later=later)
    yield ""
    yield from _format_shares(costs, later=later)
    if depth:
        yield ""
        yield from _format_tree(costs, depth, later=later)


def format_share(costs: ImportCosts, share: Share) -> Iterator[str]:
    """Yield the lines about one owner: the chain that leads to it, and its modules, the largest first.

    Example:
        `for line in format_share(costs, costs.shares[0]): print(line)`
    """
    yield f"{share.owner}: {_amounts(share)}"
    yield ""
    for depth, link in enumerate(share.chain):
        yield f"{'  ' * depth}{'→ ' if depth else ''}{link.path}:{link.line}"
    own = [module for module in costs.modules if module.owner == share.owner]
    yield ""
    yield f"{'KB':>10}  {'ms':>8}  module" if costs.elapsed is not None else f"{'KB':>10}  module"
    for module in sorted(own, key=lambda one: (-(one.own or 0), -one.size, one.name)):
        time = f"  {_ms(module.own)}" if costs.elapsed is not None else ""
        yield f"{module.size / _KB:>10,.1f}{time}  {module.name}{_marks(module)}"


def _marks(module: LoadedModule) -> str:
    """Return what is special about a module, to be shown behind its name."""
    marks = [*([] if module.when is When.CERTAIN else [module.when]), *(["compiled"] if module.compiled else [])]
    return f"  ({', '.join(marks)})" if marks else ""


def _compiled_time(costs: ImportCosts) -> str:
    return f", and {costs.elapsed_compiled / _KB:,.1f} ms with bytecode" if costs.elapsed_compiled is not None else ""


def _summary(costs: ImportCosts, *, later: bool) -> Iterator[str]:
    certain, perhaps, deferred = ([module for module in costs.modules if module.when is when] for when in When)
    more = f", and perhaps {_modules(perhaps)} more" if perhaps else ""
    time = (
        "" if costs.elapsed is None else f" The import takes {costs.elapsed / _KB:,.1f} ms here{_compiled_time(costs)}."
    )
    yield (
        f"{costs.index or 'The handler'} loads {_modules(certain)} of source at start{more}, on {costs.target}.{time}"
    )
    if deferred:
        hint = "" if later else "; --later lists them"
        yield f"Functions that nothing calls at start import {_modules(deferred)} more{hint}."


def _modules(modules: Sequence[LoadedModule]) -> str:
    return f"{count(len(modules), 'module')} with {sum(one.size for one in modules) / _KB:,.1f} KB"


def _amounts(share: Share) -> str:
    more = f", and perhaps {share.perhaps:,} more with {share.perhaps_size / _KB:,.1f} KB" if share.perhaps else ""
    if share.later:
        more += f", and later {share.later:,} with {share.later_size / _KB:,.1f} KB"
    time = "" if share.own is None else f"; {share.own / _KB:,.1f} ms"
    return f"{count(share.modules, 'module')} with {share.size / _KB:,.1f} KB{more}{time}"


def _ms(microseconds: int | None) -> str:
    return f"{'' if microseconds is None else f'{microseconds / _KB:,.1f}':>8}"


def _format_shares(costs: ImportCosts, *, later: bool) -> Iterator[str]:
    shares = [share for share in costs.shares if later or share.modules or share.perhaps]
    measured = costs.elapsed is not None
    rest = [(owner, own) for owner, own in costs.others.items() if owner not in {one.owner for one in shares}]
    width = max([len("distribution"), *(len(share.owner) for share in shares), *(len(owner) for owner, _ in rest)])
    when = [When.PERHAPS, *([When.LATER] if later else [])]
    heads = "".join(f"  {one:>7}  {'KB':>10}" for one in when)
    time = f"  {'ms':>8}" if measured else ""
    yield f"{'distribution':<{width}}  {'modules':>7}  {'KB':>10}{heads}{time}  pulled in by"
    for share in shares:
        amounts = [(share.modules, share.size), (share.perhaps, share.perhaps_size), (share.later, share.later_size)]
        columns = "".join(f"  {number:>7,}  {size / _KB:>10,.1f}" for number, size in amounts[: 1 + len(when)])
        time = f"  {_ms(share.own)}" if measured else ""
        yield f"{share.owner:<{width}}{columns}{time}  {_format_chain(share.chain)}".rstrip()
    for owner, own in sorted(rest, key=lambda one: (-one[1], one[0])):
        yield f"{owner:<{width}}{' ' * 21 * (1 + len(when))}  {_ms(own)}"


def _format_chain(chain: Sequence[Link]) -> str:
    shown = [f"{link.path}:{link.line}" for link in chain]
    if len(shown) > _SHOWN_LINKS:
        shown = [shown[0], "…", *shown[1 - _SHOWN_LINKS :]]
    return " → ".join(shown)


def _format_tree(costs: ImportCosts, depth: int, *, later: bool) -> Iterator[str]:
    """Yield each module below the one that imports it first, the largest first, with the source that is below it too."""
    modules = [module for module in costs.modules if later or module.when is not When.LATER]
    children: dict[str, list[LoadedModule]] = defaultdict(list)
    for module in modules:
        if module.link is not None:
            children[module.link.path].append(module)
    sums: dict[str, int] = {}
    # The longest chains first: so all below a module is known before it.
    for module in sorted(modules, key=lambda one: -len(costs.chain_to(one))):
        sums[module.path] = module.size + sum(sums[child.path] for child in children[module.path])
    measured = costs.elapsed is not None
    yield f"{'KB':>10}  {'with imports':>12}{'  ' + format('ms', '>8') if measured else ''}  module, by what imports it first"

    def rows(modules: Iterable[LoadedModule], level: int) -> Iterator[str]:
        for module in sorted(modules, key=lambda one: (-(one.total or 0), -sums[one.path], one.path)):
            time = f"  {_ms(module.total)}" if measured else ""
            line = f":{module.link.line}" if module.link is not None else ""
            yield (
                f"{module.size / _KB:>10,.1f}  {sums[module.path] / _KB:>12,.1f}{time}  {'  ' * level}{module.name}"
                f"{f'  (line {line[1:]})' if line else ''}{_marks(module)}"
            )
            if level < depth:
                yield from rows(children[module.path], level + 1)

    yield from rows((module for module in modules if module.link is None), 0)


# JSON


def describe_costs(costs: ImportCosts, *, entry: str, budgets: Iterable[Budget] = ()) -> dict[str, Any]:
    """Return the costs as JSON; the schema is docs/reference/imports.schema.json.

    Example:
        `json.dumps(describe_costs(weigh_imports(contents), entry="orders"))`
    """
    return {
        "format": COSTS_FORMAT,
        "entry": entry,
        "target": describe_target(costs.target),
        "index": costs.index,
        "modules": sum(share.modules for share in costs.shares),
        "source_bytes": sum(share.size for share in costs.shares),
        "perhaps_modules": sum(share.perhaps for share in costs.shares),
        "perhaps_source_bytes": sum(share.perhaps_size for share in costs.shares),
        "later_modules": sum(share.later for share in costs.shares),
        "later_source_bytes": sum(share.later_size for share in costs.shares),
        "microseconds": costs.elapsed,
        "microseconds_with_bytecode": costs.elapsed_compiled,
        "budgets": [
            {"name": one.name, "limit": one.limit, "actual": one.actual, "exceeded": one.exceeded} for one in budgets
        ],
        "distributions": [_describe_share(share) for share in costs.shares],
        "elsewhere": [{"name": owner, "microseconds": own} for owner, own in sorted(costs.others.items())],
        "loaded": [_describe_module(module) for module in costs.modules],
    }


def _describe_share(share: Share) -> dict[str, Any]:
    return {
        "name": share.owner,
        "modules": share.modules,
        "source_bytes": share.size,
        "perhaps_modules": share.perhaps,
        "perhaps_source_bytes": share.perhaps_size,
        "later_modules": share.later,
        "later_source_bytes": share.later_size,
        "microseconds": share.own,
        "chain": [link._asdict() for link in share.chain],
    }


def _describe_module(module: LoadedModule) -> dict[str, Any]:
    return {
        "module": module.name,
        "path": module.path,
        "distribution": module.owner,
        "source_bytes": module.size,
        "loaded": module.when.value,
        "compiled": module.compiled,
        "imported_by": module.link._asdict() if module.link is not None else None,
        "own_microseconds": module.own,
        "total_microseconds": module.total,
    }
