"""Facts in the metadata of distributions: their dependencies and licences. Every marker is evaluated for the target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdk_lambda_package.requirements.resolution import LockedWheel
from cdk_lambda_package.target import Target

# A distribution and one of its extras; "" stands for the distribution itself.
_Node = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """The edges between the distributions of a lock.

    `required_by` has, for each distribution, the sorted names of those that need it. `unmet` says for each need that
    the lock doesn't meet who has it and what it is; a lock from a sound resolution has none.
    """

    required_by: Mapping[str, tuple[str, ...]]
    unmet: tuple[str, ...]


def trace_dependencies(
    roots: Iterable[tuple[str, Iterable[str]]],
    *,
    versions: Mapping[str, Version],
    requires_dist: Mapping[str, Iterable[str]],
    provided: Collection[str],
    target: Target,
) -> Dependencies:
    """Follow Requires-Dist from the roots, names with their extras, as far as the markers hold on the target."""
    parsed = {name: [Requirement(line) for line in lines] for name, lines in requires_dist.items()}
    required_by: dict[str, set[str]] = defaultdict(set)
    unmet: dict[str, None] = {}
    pending = [node for name, extras in roots for node in _nodes(name, extras)]
    seen: set[_Node] = set()
    while pending:
        node = pending.pop()
        if node in seen or node[0] in provided:
            continue
        seen.add(node)
        for requirement in _needs(node, parsed.get(node[0], ()), target):
            name = canonicalize_name(requirement.name)
            if name in provided:
                continue
            if problem := _find_problem(node[0], requirement, versions.get(name)):
                unmet[problem] = None
            required_by[name].add(node[0])
            pending += _nodes(name, requirement.extras)
    return Dependencies(
        required_by={name: tuple(sorted(names)) for name, names in required_by.items()}, unmet=tuple(unmet)
    )


def reachable_names(
    roots: Iterable[str], required_by: Mapping[str, Collection[str]], *, exclude: Collection[str]
) -> frozenset[str]:
    """Return what is needed, directly or not, by roots that aren't excluded and through none that is."""
    needs: dict[str, set[str]] = defaultdict(set)
    for name, parents in required_by.items():
        for parent in parents:
            needs[parent].add(name)
    reached: set[str] = set()
    pending = [root for root in roots if root not in exclude]
    while pending:
        name = pending.pop()
        if name not in reached and name not in exclude:
            reached.add(name)
            pending += needs[name]
    return frozenset(reached)


def exclude(
    wheels: Sequence[LockedWheel], distributions: Collection[str], *, bare: Collection[str] = ()
) -> tuple[LockedWheel, ...]:
    """Return the wheels without the named distributions and without what only they need.

    What only `bare` distributions need is left out too, but not these themselves.
    """
    if not distributions and not bare:
        return tuple(wheels)

    names = frozenset(canonicalize_name(name) for name in distributions)
    roots = [wheel.name for wheel in wheels if wheel.requested or wheel.name in bare]
    needed_by = {wheel.name: [name for name in wheel.required_by if name not in bare] for wheel in wheels}
    reachable = reachable_names(roots, needed_by, exclude=names)
    return tuple(wheel for wheel in wheels if wheel.name in reachable)


def _nodes(name: str, extras: Iterable[str]) -> list[_Node]:

    name = canonicalize_name(name)
    return [(name, ""), *((name, canonicalize_name(extra)) for extra in extras)]


def _needs(node: _Node, requirements: Iterable[Requirement], target: Target) -> list[Requirement]:
    return [requirement for requirement in requirements if target.accepts_marker(requirement.marker, extra=node[1])]


def _find_problem(parent: str, requirement: Requirement, version: Version | None) -> str | None:
    text = f"{parent} requires {requirement.name}{requirement.specifier}"
    if version is None:
        return f"{text}, which is missing"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{text}, but {requirement.name} {version} was chosen"
    return None
