"""Why a distribution is in a package, and in which version: who requires it, the lock that pins it, the imports that lead to it.

A manifest has it. It is found out when a manifest is asked for, since no build needs it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.checks import PackageContents
from cdk_lambda_package.errors import LockError, TargetError
from cdk_lambda_package.import_costs import Share, When, weigh_imports
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.requirements import (
    Direct,
    LockedWheel,
    ResolutionRequest,
    read_project,
    read_requirements,
    relative_place,
)
from cdk_lambda_package.target import Target
from cdk_lambda_package.toml_files import read_settings
from cdk_lambda_package.urls import show_url

_PROJECT = "pyproject.toml"
# A marker of an extra: not every METADATA has Provides-Extra.
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")


def add_origins(
    described: Mapping[str, Any], asked: ResolutionRequest, wheels: Sequence[LockedWheel], contents: PackageContents
) -> dict[str, Any]:
    """Return the description of a package's content with what led to it: the manifest. `asked` is what the wheels were resolved for.

    Example:
        `add_origins(described, inputs.asked, inputs.wheels, contents)["distributions"][0]["requirements"]`
    """
    stated = _state_requirements(asked, wheels, contents.metadata)
    lock = asked.lock
    costs = weigh_imports(contents) if contents.graph.steps else None
    return {
        **described,
        **({"lock": relative_place(lock.path, asked.entry)} if lock is not None else {}),
        "distributions": [
            {**row, **({"requirements": stated[row["name"]]} if row["name"] in stated else {})}
            for row in described["distributions"]
        ],
        "imports": sorted(map(_describe_share, costs.shares), key=lambda row: row["owner"]) if costs else [],
    }


def _describe_share(share: Share) -> dict[str, Any]:
    numbers = {When.CERTAIN: share.modules, When.PERHAPS: share.perhaps, When.LATER: share.later}
    return {
        "owner": share.owner,
        "loaded": next(when.value for when, number in numbers.items() if number),
        "modules": {when.value: number for when, number in numbers.items()},
        "chain": [link._asdict() for link in share.chain],
    }


def _state_requirements(
    asked: ResolutionRequest, wheels: Sequence[LockedWheel], metadata: Callable[[str], str]
) -> dict[str, list[dict[str, str]]]:
    """Return the requirements that name each distribution: first the app's own, then those of distributions, by their names."""
    found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for own in _own_requirements(asked):
        requirement = own.requirement
        if requirement is not None and _applies(requirement, asked.target):
            found[canonicalize_name(requirement.name)].append(
                {"requirement": _without_marker(requirement), "place": own.place}
            )
    for wheel in sorted(wheels, key=lambda one: one.name):
        for requirement in _requires_of(metadata(owner_of(wheel)), asked.target):
            found[canonicalize_name(requirement.name)].append(
                {"requirement": _without_marker(requirement), "by": wheel.name}
            )
    required_by = {wheel.name: wheel.required_by for wheel in wheels}
    # A requirement of an extra that isn't asked for leads to nothing.
    return {
        name: [row for row in rows if "place" in row or row["by"] in required_by[name]]
        for name, rows in found.items()
        if name in required_by
    }


def _own_requirements(asked: ResolutionRequest) -> Iterator[Direct]:
    """Yield the app's own requirements, as its files state them; a file that can't be read states none."""
    try:
        if asked.requirements is not None:
            yield from read_requirements(asked.requirements, asked.entry)
        elif asked.lock is not None:
            project = asked.lock.folder / _PROJECT
            place = relative_place(project, asked.entry)
            lines = (*read_project(project), *_lines_of_groups(project, asked.groups))
            yield from (Direct(text=line, place=place) for line in lines)
    except LockError:
        # A lock may be without what it was made of, which its own tool reads.
        return


def _lines_of_groups(project: Path, groups: Iterable[str]) -> Iterator[str]:
    from packaging.dependency_groups import DependencyGroupResolver

    tables = read_settings(project, dict[str, Any]).get("dependency-groups")
    if not isinstance(tables, Mapping):
        return
    resolver = DependencyGroupResolver(tables)
    for group in groups:
        try:
            yield from map(str, resolver.resolve(group))
        except (ValueError, LookupError, TypeError, ExceptionGroup):
            # The tool whose lock it is says what is wrong with the table.
            continue


def _requires_of(text: str, target: Target) -> Iterator[Requirement]:
    """Yield what a METADATA file requires on the target, with any of its extras."""
    metadata = HeaderParser().parsestr(text)
    lines = dict.fromkeys(metadata.get_all("Requires-Dist", ()))
    extras = ("", *_EXTRA.findall("\n".join(lines)))
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if any(_applies(requirement, target, extra) for extra in extras):
            yield requirement


def _applies(requirement: Requirement, target: Target, extra: str = "") -> bool:
    try:
        return target.accepts_marker(requirement.marker, extra=extra)
    except TargetError:
        return False


def _without_marker(requirement: Requirement) -> str:
    if requirement.url is None:
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        return f"{requirement.name}{extras}{requirement.specifier}"
    # A path is another one on each machine.
    url = requirement.url
    return f"{requirement.name} @ {Path(url).name if url.startswith('file:') else show_url(url)}"
