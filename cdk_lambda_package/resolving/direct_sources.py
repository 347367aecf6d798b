"""Requirements that name a source themselves: a path, an archive's URL or a checkout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import unquote

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.building.sources import PinnedSource, find_members
from cdk_lambda_package.requirements.requirements_file import RequirementLine
from cdk_lambda_package.resolving.pinned_sources import Built
from cdk_lambda_package.target import Target

Build = Callable[[Sequence[PinnedSource]], Mapping[PinnedSource, Built]]

# A path or URL, extras and a marker, as pip reads them: https://pip.pypa.io/en/stable/reference/requirement-specifiers/.
_PLACE = re.compile(r"(?P<place>[^;\[]+?)(?:\[(?P<extras>[^\]]*)\])?\s*(?:;\s*(?P<marker>.*))?")
_FRAGMENT = re.compile(r"(?:^|&)(egg|subdirectory)=([^&]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectSource:
    """A line that names a source, with the extras and the marker that it has."""

    line: RequirementLine
    source: PinnedSource
    extras: str
    marker: str

    def as_wheel(self, name: str, wheel: Path) -> str:
        """Return the line that asks for what was built of it instead."""
        extras = f"[{self.extras}]" if self.extras else ""
        return f"{name}{extras} @ {wheel.as_uri()}" + (f" ; {self.marker}" if self.marker else "")


def find_direct_sources(lines: Iterable[RequirementLine], entry: Path, target: Target) -> Iterator[DirectSource]:
    """Yield the lines that name a source and apply to the target; relative paths begin at the entry directory."""
    for line in lines:
        found = _read(line, entry)
        if found is not None and _applies(found.marker, target):
            yield found


def _read(line: RequirementLine, entry: Path) -> DirectSource | None:
    text = re.sub(r"^(-e|--editable)[ =]+", "", line.text)
    if text.startswith("-"):
        return None
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        match = _PLACE.fullmatch(text)
        return _make(line, "", *match.group("place", "extras", "marker"), entry=entry) if match else None
    if requirement.url is None:
        return None
    marker = str(requirement.marker) if requirement.marker else ""
    return _make(line, requirement.name, requirement.url, ",".join(sorted(requirement.extras)), marker, entry=entry)


def _make(
    line: RequirementLine, name: str, place: str, extras: str | None, marker: str | None, *, entry: Path
) -> DirectSource | None:
    place, _, fragment = place.partition("#")
    facts = dict(_FRAGMENT.findall(fragment))
    if not re.match(r"[\w+]+:/", place):
        # A file: URL may be relative, too: pip begins it at the directory in which it runs.
        place = unquote(place.removeprefix("file:")) if place.startswith("file:") else place
        if not (entry / place).exists():
            return None
        place = (entry / place).resolve().as_uri()
    if place.partition("?")[0].endswith(".whl"):
        return None
    source = PinnedSource(
        name=name or facts.get("egg", "").partition("[")[0],
        url=f"{place}#subdirectory={facts['subdirectory']}" if "subdirectory" in facts else place,
        sha256=line.hashes[0] if len(line.hashes) == 1 else "",
    )
    return DirectSource(line=line, source=source, extras=extras or "", marker=marker or "")


def _applies(marker: str, target: Target) -> bool:
    try:
        return target.accepts_marker(Marker(marker) if marker else None)
    except InvalidMarker:
        return True


def build_members(built: Iterable[Built], build: Build) -> dict[str, Built]:
    """Return what was built of the projects that others name as theirs, and need, by normalised name."""
    pending, done = [*built], dict[str, Built]()
    while pending:
        source, wheel = pending.pop()
        members = find_members([source.path]) if source.kind == "directory" else {}
        needed = [name for name in _names(wheel.metadata) if name in members and name not in done]
        places = {PinnedSource(name=name, url=members[name].as_uri()): name for name in needed}
        for place, result in build([*places]).items():
            done[places[place]] = result
            pending.append(result)
    return done


def find_extras(
    direct: Iterable[tuple[DirectSource, Built]], members: Mapping[str, Built], target: Target
) -> dict[str, set[str]]:
    """Return the extras with which local projects need the members, by name."""
    found: dict[str, set[str]] = {name: set() for name in members}
    pending = [(wheel, extra) for one, (_, wheel) in direct for extra in ("", *one.extras.split(","))]
    seen: set[tuple[str, str]] = set()
    while pending:
        wheel, extra = pending.pop()
        if (wheel.name, extra) in seen:
            continue
        seen.add((wheel.name, extra))
        for needed in _read_needs(wheel.metadata):
            name = canonicalize_name(needed.name)
            if name in members and target.accepts_marker(needed.marker, extra=canonicalize_name(extra)):
                found[name] |= needed.extras
                pending += [(members[name][1], one) for one in ("", *needed.extras)]
    return found


def _names(metadata: str) -> Iterator[str]:
    return (canonicalize_name(needed.name) for needed in _read_needs(metadata))


def _read_needs(metadata: str) -> Iterator[Requirement]:
    return map(Requirement, HeaderParser().parsestr(metadata).get_all("Requires-Dist", []))
