"""What has to be built for a resolution with uv, and what uv is asked instead. uv itself builds nothing of a project's.

What a requirement names is built before uv is asked, and takes its place as a wheel. Of what has only an sdist, uv says
which one it would take; once that is built, uv finds the wheel in a folder and resolves with what is in it.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cdk_lambda_package.building.build_outcomes import WHEELS, BuiltWheel
from cdk_lambda_package.building.sources import PinnedSource
from cdk_lambda_package.errors import HashMismatchError, UnsupportedRequirementError
from cdk_lambda_package.requirements.requirement_text import decode_requirements, join_lines
from cdk_lambda_package.requirements.requirements_file import (
    RequirementLine,
    has_requirements,
    read_index_options,
    read_lines,
)
from cdk_lambda_package.requirements.resolution import ResolutionRequest
from cdk_lambda_package.resolving.direct_sources import (
    Build,
    DirectSource,
    build_members,
    find_direct_sources,
    find_extras,
)
from cdk_lambda_package.resolving.pinned_sources import Built
from cdk_lambda_package.store import Store
from cdk_lambda_package.uv.command import Question

_NEEDS_SOURCE = re.compile(r"Wheels are required for `([^`]+)`")
_FAILED = re.compile(r"Failed to build `([^`=\s]+)==([^`\s]+)`")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What was built so far.

    `direct` are the lines that name a source, `members` the projects that local ones name as theirs, `built` is what
    was built of sdists, by name, and `listed` what their index says of these. Of `open` names uv may take an sdist.
    """

    direct: tuple[tuple[DirectSource, Built], ...] = ()
    members: Mapping[str, Built] = field(default_factory=dict)
    built: Mapping[str, Built] = field(default_factory=dict)
    listed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    open: frozenset[str] = frozenset()

    @property
    def by_url(self) -> dict[str, Built]:
        """What was built of sources that no index has, by name."""
        return {**self.members, **{built[1].name: built for _, built in self.direct}}

    @property
    def all(self) -> tuple[Built, ...]:
        """All builds."""
        return (*self.by_url.values(), *self.built.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildPlace:
    """How sources are built, the store that has the wheels then, and the folder in which uv finds those of sdists."""

    build: Build
    store: Store
    links: Path

    def find(self, wheel: BuiltWheel) -> Path:
        """Return the file of a wheel that was just built."""
        path = self.store.find(WHEELS, wheel.sha256, wheel.filename)
        assert path is not None, f"{wheel.filename} was just built"
        return path


def prepare_sources(request: ResolutionRequest, lines: Sequence[RequirementLine], build: Build) -> Sources:
    """Build what the lines themselves name.

    Raises `UnsupportedRequirementError` for a request that allows no build, and what a build raises.
    """
    refused = [line for line in lines if re.match(r"--no-binary[ =]+(?!:none:)", line.text)]
    if refused and not request.allow_build:
        raise UnsupportedRequirementError(
            f"{refused[0].path.name}:{refused[0].line}: {refused[0].text} asks to build from source, which "
            "allow_build=False refuses: remove one of them."
        )
    direct = [*find_direct_sources(lines, request.entry, request.target)]
    # Two lines may name one project, with other extras.
    places = {one.source.url: one.source for one in sorted(direct, key=lambda one: one.source.name)}
    built = build([*places.values()])
    return Sources(
        direct=tuple((one, built[places[one.source.url]]) for one in direct),
        members=build_members(built.values(), build),
    )


def make_question(request: ResolutionRequest, sources: Sources, place: BuildPlace) -> Question:
    """Return what uv is asked: the user's file, or its lines with wheels in the place of sources."""
    uses_file = request.requirements is not None and has_requirements(request.requirements)
    lines = tuple(line.partition("#sha256=")[0] for line in request.extra)
    never = [f"{name} ; python_version < '0'" for name in request.provided]
    extras = find_extras(sources.direct, sources.members, request.target)
    overrides = [
        # An override takes the place of all that is asked for under its name, extras too.
        f"{name}[{','.join(sorted(extras[name]))}] @ {place.find(wheel).as_uri()}"
        for name, (_, wheel) in sources.members.items()
    ]
    question = Question(
        request=request,
        file=request.requirements if uses_file else None,
        lines=lines,
        overrides=(*never, *overrides),
        buildable=tuple(sorted(sources.open)),
        links=place.links if sources.built else None,
    )
    if request.requirements is None or not (sources.direct or _has_several_in_a_line(request.requirements)):
        return question
    return dataclasses.replace(question, file=None, lines=(*_rewrite(request.requirements, sources, place), *lines))


def _has_several_in_a_line(requirements: Path) -> bool:
    """Tell whether an option stands behind another: uv passes over what is behind one that it doesn't know."""
    texts = (decode_requirements(path.read_bytes()) for path in {line.path for line in read_lines(requirements)})
    return any(re.match(r"-.*\s--?[a-z]", line) for text in texts for _, line in join_lines(text))


def _rewrite(requirements: Path, sources: Sources, place: BuildPlace) -> Iterator[str]:
    yield from read_index_options(requirements)
    places = {(one.line.path, one.line.line): (one, wheel) for one, (_, wheel) in sources.direct}
    for line in read_lines(requirements):
        if found := places.get((line.path, line.line)):
            yield found[0].as_wheel(found[1].name, place.find(found[1]))
        elif not line.text.startswith("-") or re.match(r"(-r|--requirement) \w+://", line.text):
            yield " ".join([line.text, *(f"--hash=sha256:{digest}" for digest in line.hashes)])


def take_sdists(
    lock: Mapping[str, Any], hashes: Mapping[str, set[str]], sources: Sources, place: BuildPlace
) -> Sources:
    """Build the sdists that uv chose, and put their wheels where uv finds them.

    Raises `HashMismatchError` for one that hasn't one of the `hashes` that are demanded under its name.
    """
    rows = [row for row in lock["packages"] if "sdist" in row and not row.get("wheels")]
    chosen = [_pin(row) for row in rows]
    for one in chosen:
        allowed = hashes.get(one.name, {one.sha256})
        if one.sha256 not in allowed:
            raise HashMismatchError(f"{one.url} has the sha256 {one.sha256}, expected {' or '.join(sorted(allowed))}.")
    listed = {**sources.listed, **{row["name"]: _describe_listing(row) for row in rows}}
    new = [one for one in chosen if _is_new(one, sources)]
    return _add(new, dataclasses.replace(sources, listed=listed), place)


def _describe_listing(row: Mapping[str, Any]) -> dict[str, str]:
    time = row["sdist"].get("upload-time")
    return {"upload_time": time.isoformat() if time else ""}


def find_help(said: str, sources: Sources, place: BuildPlace) -> Sources | None:
    """Return what else is to be allowed or built, by what uv says where it fails; None if that isn't the matter.

    Raises `BuildError` where uv can't build what nothing else can, either.
    """
    names = {canonicalize_name(name) for name in _NEEDS_SOURCE.findall(said)} - sources.open
    if names:
        return dataclasses.replace(sources, open=sources.open | names)
    failed = [PinnedSource(name=canonicalize_name(name), version=version) for name, version in _FAILED.findall(said)]
    new = [one for one in failed if _is_new(one, sources)]
    return _add(new, sources, place) if new else None


def _add(new: Sequence[PinnedSource], sources: Sources, place: BuildPlace) -> Sources:
    built: dict[str, Built] = {canonicalize_name(one.name): result for one, result in place.build(new).items()}
    for _, wheel in built.values():
        place.links.mkdir(exist_ok=True)
        shutil.copyfile(place.find(wheel), place.links / wheel.filename)
    return dataclasses.replace(sources, built={**sources.built, **built}, open=sources.open - built.keys())


def _is_new(one: PinnedSource, sources: Sources) -> bool:
    known = sources.built.get(canonicalize_name(one.name))
    return known is None or known[1].version != one.version


def _pin(row: Mapping[str, Any]) -> PinnedSource:
    sdist = row["sdist"]
    url = sdist.get("url") or Path(sdist["path"]).as_uri()
    return PinnedSource(name=row["name"], version=row["version"], url=url, sha256=sdist["hashes"]["sha256"])


def requirement_of(text: str) -> Requirement | None:
    """Return the requirement that a line is, or None for a path or an option."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
